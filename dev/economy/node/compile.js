/**
 * `node compile.js [--check]`: compiles the contracts into contracts/compiled.json, or checks
 * that the file is current.
 *
 * The file is in the repository, so that the compiler is needed only after a change.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import solc from "solc";

const FOLDER = join(import.meta.dirname, "..", "contracts");
const COMPILED = join(FOLDER, "compiled.json");
/** Those that are placed on the chain; each is in the file of its name. */
const CONTRACTS = ["Token", "PlainToken", "Multicall", "WalletFactory", "Permit2", "ExactProxy", "UptoProxy"];

/** @returns {string} The content of compiled.json. */
function compile() {
	const sources = Object.fromEntries(
		readdirSync(FOLDER)
			.filter((name) => name.endsWith(".sol"))
			.map((name) => [name, { content: readFileSync(join(FOLDER, name), "utf8") }]),
	);
	const settings = {
		evmVersion: "cancun",
		optimizer: { enabled: true, runs: 200 },
		// Otherwise the bytecode would change with every comment.
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
				throw new Error(`${name} has immutable fields, but no constructor is run that could set them.`);
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
	process.stderr.write("contracts/compiled.json is not current: run node compile.js.\n");
	process.exitCode = 1;
}
