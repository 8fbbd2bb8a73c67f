// Draws avatars: node dicebear.mjs REQUESTS
//
// Each line of the file REQUESTS is JSON: {"style": "open-peeps", "options": {...}}. Each line of
// stdout answers one of them, in order: the SVG as a JSON string, or without "options" the style's
// JSON schema.

import fs from "node:fs";
import readline from "node:readline";
import { createAvatar } from "@dicebear/core";

const styles = {};
for await (const line of readline.createInterface({ input: fs.createReadStream(process.argv[2]) })) {
  const { style, options } = JSON.parse(line);
  styles[style] ??= await import(`@dicebear/${style}`);
  const answer = options ? createAvatar(styles[style], options).toString() : styles[style].schema;
  if (!process.stdout.write(JSON.stringify(answer) + "\n"))
    await new Promise((resolve) => process.stdout.once("drain", resolve));
}
