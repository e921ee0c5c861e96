// npm openid-client: node openid_client.mjs ISSUER CLIENT_ID CLIENT_SECRET METHOD. All it is told is the issuer; the rest it discovers.
// A question is {ask: "metadata"}, or {ask: "introspect" | "revoke", token}.

import * as client from "openid-client";
import { answerWith } from "./questions.mjs";

const [issuer, id, secret, method] = process.argv.slice(2);
const authenticate = { client_secret_basic: client.ClientSecretBasic, client_secret_post: client.ClientSecretPost }[method];
const discover = () =>
  client.discovery(new URL(issuer), id, undefined, authenticate(secret), {
    algorithm: "oauth2",
    execute: [client.allowInsecureRequests], // plain http, as on this machine
  });

let configuration;
await answerWith(async ({ ask, token }) => {
  configuration ??= await discover();
  switch (ask) {
    case "metadata":
      return configuration.serverMetadata();
    case "introspect":
      return client.tokenIntrospection(configuration, token);
    case "revoke":
      return client.tokenRevocation(configuration, token);
  }
});
