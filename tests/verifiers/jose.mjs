// npm jose. A question names a verifier, which is made when it is first named and then keeps the keys it has fetched, and is one of
// {claims: token} and {reload: true}, which fetches the keys anew.

import { createRemoteJWKSet, jwtVerify } from "jose";
import { answerWith } from "./questions.mjs";

const verifiers = new Map();

function made({ issuer, audience }) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const options = {
    algorithms: ["ES256", "RS256", "EdDSA"],
    issuer,
    audience,
    typ: "at+jwt",
    requiredClaims: ["sub", "client_id", "iat", "exp", "jti"],
  };
  return { keys, options };
}

await answerWith(async ({ verifier, issuer, audience, claims, reload }) => {
  if (!verifiers.has(verifier)) {
    verifiers.set(verifier, made({ issuer, audience }));
  }
  const { keys, options } = verifiers.get(verifier);
  return reload ? keys.reload() : (await jwtVerify(claims, keys, options)).payload;
});
