// Ask the AsyncAPI project's own parser whether the documents given are valid; prints each fault.
import { Parser } from "@asyncapi/parser";
import { readFileSync } from "node:fs";

const parser = new Parser();
let faults = 0;
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await parser.parse(readFileSync(file, "utf8"));
  for (const found of diagnostics.filter(({ severity }) => severity === 0)) {
    faults += 1;
    console.log(file, found.path.join("."), found.message);
  }
  if (document) console.log(file, "messages:", document.allMessages().length);
  else faults += 1;
}
process.exit(faults ? 1 : 0);
