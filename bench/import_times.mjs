// Imports one module in Pyodide under Node.js, whose clocks advance while Python computes, and
// prints the time of each import (-X importtime). `imports.py` starts it.
import { loadWorker } from "./pyodide_worker.mjs";

const [root, name] = process.argv.slice(2);
const lines = [];
const pyodide = await loadWorker(root, { args: ["-X", "importtime"], stderr: (line) => lines.push(line) });
lines.length = 0;
// A JavaScript module is imported by waiting for a promise, as in a Worker.
await pyodide.runPythonAsync(`import ${name}`);
console.log(lines.join("\n"));
