// Writes a file of a rendered ConfigMap: node config.mjs RENDERED NAME KEY OUT. NAME is without the hash
// that Kustomize appends.

import { readFileSync, writeFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";

const [rendered, name, key, out] = process.argv.slice(2);
const map = parseAllDocuments(readFileSync(rendered, "utf8"))
  .map((document) => document.toJS())
  .find((object) => object.kind === "ConfigMap" && object.metadata.name.replace(/-[a-z0-9]+$/, "") === name);
writeFileSync(out, map.data[key]);
