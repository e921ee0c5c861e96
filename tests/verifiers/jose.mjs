// npm jose: node jose.mjs ISSUER AUDIENCE. A question is {token}, or {reload: true} to fetch the keys anew.

import { createRemoteJWKSet, jwtVerify } from "jose";
import { answerWith } from "./questions.mjs";

const [issuer, audience] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
const options = {
  algorithms: ["ES256", "RS256", "EdDSA"],
  issuer,
  audience,
  typ: "at+jwt",
  requiredClaims: ["sub", "client_id", "iat", "exp", "jti"],
};

await answerWith(async ({ token, reload }) => {
  if (reload) {
    return keys.reload();
  }
  return (await jwtVerify(token, keys, options)).payload;
});
