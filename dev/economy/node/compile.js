/**
 * `node compile.js [--check]`: compiles the contracts into contracts/compiled.json, or tells
 * whether that file is what the sources compile to.
 *
 * The file is kept in the repository, so that the compiler is needed only after an edit.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import solc from "solc";

const FOLDER = join(import.meta.dirname, "..", "contracts");
const COMPILED = join(FOLDER, "compiled.json");
const CONTRACTS = ["Token", "Multicall"];

/** @returns {string} The text of compiled.json that the sources come to. */
function compile() {
	const sources = Object.fromEntries(
		CONTRACTS.map((name) => [`${name}.sol`, { content: readFileSync(join(FOLDER, `${name}.sol`), "utf8") }]),
	);
	const settings = {
		evmVersion: "cancun",
		optimizer: { enabled: true, runs: 200 },
		// The metadata's hash would differ with every comment.
		metadata: { bytecodeHash: "none" },
		outputSelection: { "*": { "*": ["evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"] } },
	};
	const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
	const problems = output.errors ?? [];
	if (problems.length > 0) {
		throw new Error(problems.map((/** @type {any} */ problem) => problem.formattedMessage).join("\n"));
	}
	const runtime = Object.fromEntries(
		CONTRACTS.map((name) => {
			const { object, immutableReferences } = output.contracts[`${name}.sol`][name].evm.deployedBytecode;
			if (Object.keys(immutableReferences).length > 0) {
				throw new Error(`${name} has immutable fields, which only a constructor sets, and none is run.`);
			}
			return [name, `0x${object}`];
		}),
	);
	return `${JSON.stringify({ compiler: solc.version(), runtime }, null, 2)}\n`;
}

const compiled = compile();
if (!process.argv.includes("--check")) {
	writeFileSync(COMPILED, compiled);
} else if (readFileSync(COMPILED, "utf8") !== compiled) {
	process.stderr.write("contracts/compiled.json is not what the sources compile to: run node compile.js.\n");
	process.exitCode = 1;
}
