// Checks rendered manifests: node check.mjs FILE...
//
// Each object against the Kubernetes API: its types (TypeScript names fields that there are not) and
// its formats (JSON schema); then what objects say of each other and of their own rights. Prints what
// is wrong, with file and object, and exits 1.

import { readFileSync, mkdtempSync, writeFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import ts from "typescript";
import { parseAllDocuments } from "yaml";

const faults = [];
const nameOf = (object) => `${object.kind} ${object.metadata?.namespace ?? ""}/${object.metadata?.name}`;

function read(file) {
  return parseAllDocuments(readFileSync(file, "utf8")).flatMap((document) => {
    for (const error of document.errors) faults.push(`${file}: ${error.message}`);
    const object = document.toJS();
    return object ? [object] : [];
  });
}

// Fields that are unknown or of the wrong type, by a program that has each object as a literal.
function checkTypes(objects) {
  // Beside the packages, so that they are found.
  const packages = dirname(dirname(createRequire(import.meta.url).resolve("typescript")));
  const folder = mkdtempSync(join(dirname(dirname(packages)), "types-"));
  try {
    const lines = objects.map(
      ({ object }, i) =>
        `import type { I${object.kind} as T${i} } from "kubernetes-models/${object.apiVersion}/${object.kind}";\n` +
        `export const object${i}: T${i} = ${JSON.stringify(object)};`,
    );
    const source = join(folder, "objects.ts");
    writeFileSync(source, lines.join("\n"));
    const program = ts.createProgram([source], {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      types: [],
    });
    for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
      const at = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0);
      const of = at === undefined ? undefined : objects[Math.floor(at.line / 2)];
      const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n  ");
      faults.push(of ? `${of.file}: ${nameOf(of.object)}: ${text}` : text);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function checkFormats({ file, object }) {
  const { [object.kind]: Model } = await import(`kubernetes-models/${object.apiVersion}`);
  try {
    new Model(object).validate();
  } catch (error) {
    faults.push(`${file}: ${nameOf(object)}: ${error.message}`);
  }
}

const includes = (labels, selector) => Object.entries(selector).every(([key, value]) => labels?.[key] === value);

// What no schema knows: references that lead nowhere, and rights beyond need.
function checkSense(file, objects) {
  const say = (object, text) => faults.push(`${file}: ${nameOf(object)}: ${text}`);
  const workloads = objects.filter((object) => object.spec?.template !== undefined);
  const has = (kind, namespace, name) =>
    objects.some((o) => o.kind === kind && o.metadata.namespace === namespace && o.metadata.name === name);
  for (const object of objects) {
    if (object.kind === "Service") {
      const behind = workloads.find((w) => includes(w.spec.template.metadata.labels, object.spec.selector));
      if (!behind) say(object, "selects no pod");
      const names = (behind?.spec.template.spec.containers ?? []).flatMap((c) => (c.ports ?? []).map((p) => p.name));
      for (const port of object.spec.ports) {
        if (!names.includes(port.targetPort)) say(object, `port ${port.targetPort} is no container's`);
      }
    }
    if (object.kind === "PodDisruptionBudget") {
      if (!workloads.some((w) => includes(w.spec.template.metadata.labels, object.spec.selector.matchLabels))) {
        say(object, "selects no pod");
      }
    }
  }
  for (const workload of workloads) {
    const { namespace } = workload.metadata;
    const pod = workload.spec.template.spec;
    if (!includes(workload.spec.template.metadata.labels, workload.spec.selector.matchLabels)) {
      say(workload, "does not select its own pods");
    }
    if (!has("ServiceAccount", namespace, pod.serviceAccountName)) say(workload, "its service account is missing");
    if (pod.automountServiceAccountToken !== false) say(workload, "mounts a token of the API server");
    const volumes = [...(pod.volumes ?? []), ...(workload.spec.volumeClaimTemplates ?? []).map((c) => c.metadata)];
    for (const volume of volumes) {
      const map = volume.configMap?.name;
      if (map !== undefined && !has("ConfigMap", namespace, map)) say(workload, `there is no ConfigMap ${map}`);
    }
    for (const container of pod.containers) {
      const rights = container.securityContext ?? {};
      if (rights.readOnlyRootFilesystem !== true) say(workload, "may write to its image");
      if (rights.allowPrivilegeEscalation !== false) say(workload, "may gain rights");
      if (rights.capabilities?.drop?.join() !== "ALL") say(workload, "keeps capabilities of the runtime");
      if (!container.resources?.limits?.memory) say(workload, "has no limit of memory");
      if (!/:[^/]+$/.test(container.image) || container.image.endsWith(":latest")) {
        say(workload, `its image ${container.image} has no version`);
      }
      for (const mount of container.volumeMounts ?? []) {
        if (!volumes.some((volume) => volume.name === mount.name)) say(workload, `there is no volume ${mount.name}`);
      }
      for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
        const port = container[probe]?.httpGet?.port;
        if (port !== undefined && !container.ports.some((p) => p.name === port)) say(workload, `${probe}: no port ${port}`);
      }
    }
  }
}

const all = [];
for (const file of process.argv.slice(2)) {
  const objects = read(file);
  if (objects.length === 0) faults.push(`${file}: holds nothing`);
  const shown = basename(file);
  checkSense(shown, objects);
  all.push(...objects.map((object) => ({ file: shown, object })));
}
checkTypes(all);
for (const one of all) await checkFormats(one);
for (const fault of faults) console.error(fault);
process.exit(faults.length > 0 || all.length === 0 ? 1 : 0);
