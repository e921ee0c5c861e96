// Questions on standard input and answers on standard output, a line of JSON each, so that one object can be asked over a long time.

import { createInterface } from "node:readline";

/** Answer with what `handle` gives, or with the library's name for why it refused. */
export async function answerWith(handle) {
  for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = { result: (await handle(JSON.parse(line))) ?? null };
    } catch (error) {
      answer = { error: error.code ?? error.name, message: `${error.message} ${error.cause ?? ""}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
