// npm openid-client. A question is {ask: "metadata" | "introspect" | "revoke", token, as: {issuer, id, secret, method}}. Of the server it is
// told the issuer and nothing else; the rest it discovers, once for each client.

import * as client from "openid-client";
import { answerWith } from "./questions.mjs";

const discovered = new Map();

function discover({ issuer, id, secret, method }) {
  const proof = { client_secret_basic: client.ClientSecretBasic, client_secret_post: client.ClientSecretPost }[method];
  return client.discovery(new URL(issuer), id, undefined, proof(secret), {
    algorithm: "oauth2",
    execute: [client.allowInsecureRequests], // plain http, as on this machine
  });
}

await answerWith(async ({ ask, token, as }) => {
  const name = JSON.stringify(as);
  if (!discovered.has(name)) {
    discovered.set(name, await discover(as));
  }
  const configuration = discovered.get(name);
  switch (ask) {
    case "metadata":
      return configuration.serverMetadata();
    case "introspect":
      return client.tokenIntrospection(configuration, token);
    case "revoke":
      return client.tokenRevocation(configuration, token);
  }
});
