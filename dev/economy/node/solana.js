/**
 * Serves the JSON-RPC of a Solana node on a free port of 127.0.0.1, as far as the official clients
 * and facilitators and the dispatcher use it. Transactions run in LiteSVM, without blocks and
 * validators: each is finalized at once. The chain claims to be Solana's devnet, because clients
 * know its dollar token. Settings come from the environment: FEE_PAYER gets lamports for fees.
 *
 * Methods whose names begin with `local_` are for tests: they set balances, freeze accounts and let
 * time pass. Prints one line with its address when it is ready.
 */
import { createServer } from "node:http";
import process from "node:process";
import {
	address,
	getAddressDecoder,
	getAddressEncoder,
	getBase58Decoder,
	getCompiledTransactionMessageDecoder,
	getProgramDerivedAddress,
	getTransactionDecoder,
} from "@solana/kit";
import { FailedTransactionMetadata, LiteSVM } from "litesvm";

const GENESIS_HASH = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG";
/** Circle's USDC on Solana's devnet. */
const MINT = address("4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU");
const DECIMALS = 6;
const TOKEN_PROGRAM = address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
const TOKEN_ACCOUNT_PROGRAM = address("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
const MEMO_PROGRAM = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
const MINT_BYTES = 82;
const ACCOUNT_BYTES = 165;
const STATE_AT = 108;
const INITIALIZED = 1;
const FROZEN = 2;
const SLOT_SECONDS = 0.4;
const BLOCKHASH_SLOTS = 150;
/** The chain's age when this starts. */
const AGE_SECONDS = 3600;
const FEE_LAMPORTS = 1_000_000_000n;
const BODY_BYTES_MAX = 1_000_000;
const METHOD_NOT_FOUND = -32601;
const INTERNAL_ERROR = -32603;

/** @typedef {{amount: bigint, owner: string, mint: string}} Balance */
/** @typedef {{slot: number, wire: string, err: unknown, accounts: string[], memo: string | null, pre: unknown[], post: unknown[]}} Executed */

const svm = new LiteSVM();
const genesisMs = Date.now() - 1000 * AGE_SECONDS;
let passedSeconds = 0;
/** @type {Map<string, Executed>} By signature, the oldest first. */
const executed = new Map();

function slot() {
	return Math.floor((Date.now() - genesisMs + 1000 * passedSeconds) / (1000 * SLOT_SECONDS));
}

/** @param {number} at A slot. */
function blockTime(at) {
	return Math.floor(genesisMs / 1000 + at * SLOT_SECONDS);
}

/** @param {unknown} value */
function inContext(value) {
	return { context: { slot: slot() }, value };
}

/**
 * @param {string} key
 * @param {Uint8Array} data
 */
function setTokenProgramAccount(key, data) {
	svm.setAccount({
		address: address(key),
		data,
		executable: false,
		lamports: /** @type {any} */ (svm.minimumBalanceForRentExemption(BigInt(data.length))),
		programAddress: TOKEN_PROGRAM,
		space: BigInt(data.length),
	});
}

/** @param {string} owner */
async function tokenAccount(owner) {
	const seeds = [owner, TOKEN_PROGRAM, MINT].map((key) => getAddressEncoder().encode(address(key)));
	const [key] = await getProgramDerivedAddress({ programAddress: TOKEN_ACCOUNT_PROGRAM, seeds });
	return key;
}

/**
 * @param {string} owner
 * @param {{amount?: bigint, state?: number}} changes
 */
async function changeTokenAccount(owner, changes) {
	const key = await tokenAccount(owner);
	const found = svm.getAccount(key);
	const data = found.exists ? Buffer.from(found.data) : Buffer.alloc(ACCOUNT_BYTES);
	data.set(getAddressEncoder().encode(MINT), 0);
	data.set(getAddressEncoder().encode(address(owner)), 32);
	data.writeBigUInt64LE(changes.amount ?? data.readBigUInt64LE(64), 64);
	data[STATE_AT] = changes.state ?? (data[STATE_AT] || INITIALIZED);
	setTokenProgramAccount(key, data);
}

/**
 * @param {string} key
 * @returns {Balance | null} What a token account has; null if it is none.
 */
function balanceOf(key) {
	const found = svm.getAccount(address(key));
	if (!found.exists || found.programAddress !== TOKEN_PROGRAM || found.data.length !== ACCOUNT_BYTES) return null;
	const data = Buffer.from(found.data);
	const [mint, owner] = [0, 32].map((at) => getAddressDecoder().decode(data.subarray(at, at + 32)));
	return { amount: data.readBigUInt64LE(64), owner, mint };
}

/** @param {bigint} amount */
function tokenAmount(amount) {
	const uiAmount = Number(amount) / 10 ** DECIMALS;
	return { amount: String(amount), decimals: DECIMALS, uiAmount, uiAmountString: String(uiAmount) };
}

/** @param {string[]} accounts */
function tokenBalances(accounts) {
	return accounts.flatMap((key, accountIndex) => {
		const found = balanceOf(key);
		if (found === null) return [];
		const { mint, owner, amount } = found;
		return [{ accountIndex, mint, owner, programId: TOKEN_PROGRAM, uiTokenAmount: tokenAmount(amount) }];
	});
}

/** @param {string} wire A transaction in base64. */
function decode(wire) {
	const transaction = getTransactionDecoder().decode(Buffer.from(wire, "base64"));
	const message = getCompiledTransactionMessageDecoder().decode(transaction.messageBytes);
	return { transaction: /** @type {any} */ (transaction), message };
}

/** @param {FailedTransactionMetadata} failed */
function errorOf(failed) {
	const error = failed.err();
	return typeof error === "number" ? { Fieldless: error } : { InstructionError: failed.toString() };
}

/** @param {any} message A compiled message. */
function memoOf(message) {
	const memos = message.instructions
		.filter((/** @type {any} */ each) => message.staticAccounts[each.programAddressIndex] === MEMO_PROGRAM)
		.map((/** @type {any} */ each) => Buffer.from(each.data).toString());
	return memos.length > 0 ? memos.map((/** @type {string} */ memo) => `[${memo.length}] ${memo}`).join("; ") : null;
}

/** @param {string} signature */
function statusOf(signature) {
	const found = executed.get(signature);
	if (found === undefined) return null;
	const status = found.err === null ? { Ok: null } : { Err: found.err };
	return { slot: found.slot, confirmations: null, err: found.err, status, confirmationStatus: "finalized" };
}

/** @type {Record<string, (...parameters: any[]) => unknown>} */
const METHODS = {
	getGenesisHash: () => GENESIS_HASH,
	getSlot: slot,
	getBlockHeight: slot,
	getBlockTime: blockTime,
	getFirstAvailableBlock: () => 0,
	getLatestBlockhash: () =>
		inContext({ blockhash: svm.latestBlockhash(), lastValidBlockHeight: slot() + BLOCKHASH_SLOTS }),
	isBlockhashValid: (blockhash) => inContext(blockhash === svm.latestBlockhash()),
	getAccountInfo: (key) => {
		const found = svm.getAccount(address(key));
		if (!found.exists) return inContext(null);
		return inContext({
			data: [Buffer.from(found.data).toString("base64"), "base64"],
			executable: found.executable,
			lamports: Number(found.lamports),
			owner: found.programAddress,
			rentEpoch: 0,
			space: found.data.length,
		});
	},
	getTokenAccountBalance: (key) => {
		const found = balanceOf(key);
		if (found === null) throw new Error("Invalid param: could not find account");
		return inContext(tokenAmount(found.amount));
	},
	simulateTransaction: (wire) => {
		const result = svm.withSigverify(false).simulateTransaction(decode(wire).transaction);
		const isFailed = result instanceof FailedTransactionMetadata;
		const logs = result.meta().logs();
		return inContext({ err: isFailed ? errorOf(result) : null, logs, accounts: null, returnData: null });
	},
	sendTransaction: (wire) => {
		const { transaction, message } = decode(wire);
		const accounts = message.staticAccounts.map(String);
		const signature = getBase58Decoder().decode(transaction.signatures[accounts[0]]);
		if (executed.has(signature)) return signature;
		const pre = tokenBalances(accounts);
		const result = svm.withSigverify(true).sendTransaction(transaction);
		const err = result instanceof FailedTransactionMetadata ? errorOf(result) : null;
		// Without preflight a node accepts any transaction, and one that fails otherwise gets into no block.
		if (err === null || "InstructionError" in err) {
			const post = tokenBalances(accounts);
			executed.set(signature, { slot: slot(), wire, err, accounts, memo: memoOf(message), pre, post });
		}
		return signature;
	},
	getSignatureStatuses: (signatures) => inContext(signatures.map(statusOf)),
	getSignaturesForAddress: (key, { limit = 1000 } = {}) =>
		[...executed]
			.filter(([, { accounts }]) => accounts.includes(key))
			.reverse()
			.slice(0, limit)
			.map(([signature, { slot, err, memo }]) => {
				return { signature, slot, err, memo, blockTime: blockTime(slot), confirmationStatus: "finalized" };
			}),
	getTransaction: (signature) => {
		const found = executed.get(signature);
		if (found === undefined) return null;
		const { slot, wire, err, pre, post } = found;
		const meta = { err, fee: 10_000, preTokenBalances: pre, postTokenBalances: post };
		return { slot, blockTime: blockTime(slot), version: 0, transaction: [wire, "base64"], meta };
	},
	local_tokenAccount: tokenAccount,
	local_setBalance: (owner, amount) => changeTokenAccount(owner, { amount: BigInt(amount) }),
	local_freeze: (owner) => changeTokenAccount(owner, { state: FROZEN }),
	local_thaw: (owner) => changeTokenAccount(owner, { state: INITIALIZED }),
	local_signatures: () => [...executed.keys()],
	/** Lets time pass: every blockhash expires. */
	local_pass: (seconds) => {
		passedSeconds += seconds;
		svm.expireBlockhash();
		return null;
	},
};

/** @param {import("node:http").IncomingMessage} request */
async function respond(request) {
	let id = null;
	try {
		let text = "";
		for await (const chunk of request) {
			text += chunk;
			if (text.length > BODY_BYTES_MAX) throw new Error("the body is too long");
		}
		const call = JSON.parse(text);
		id = call.id;
		if (!Object.hasOwn(METHODS, call.method)) {
			return { jsonrpc: "2.0", id, error: { code: METHOD_NOT_FOUND, message: `Method not found: ${call.method}` } };
		}
		const result = await METHODS[call.method](...(call.params ?? []));
		return { jsonrpc: "2.0", id, result: result ?? null };
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		return { jsonrpc: "2.0", id, error: { code: INTERNAL_ERROR, message } };
	}
}

const mint = Buffer.alloc(MINT_BYTES);
mint[44] = DECIMALS;
mint[45] = INITIALIZED;
setTokenProgramAccount(MINT, mint);
svm.airdrop(address(process.env.FEE_PAYER ?? ""), /** @type {any} */ (FEE_LAMPORTS));

const server = createServer(async (request, response) => {
	const text = JSON.stringify(await respond(request));
	response.writeHead(200, { "content-type": "application/json" }).end(text);
});
server.listen(0, "127.0.0.1", () => {
	const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
	process.stdout.write(`Listening on 127.0.0.1:${port}\n`);
});
