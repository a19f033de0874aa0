/** Runs statements on D1 in workerd and prints the rows that each one wrote and read. */
import { readFileSync } from "node:fs";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

const script = "export default { fetch() { return new Response(); } }";
const worker = { name: "costs", modules: true, script, d1Databases: ["DB"], compatibilityDate: "2026-01-01" };
const miniflare = new Miniflare(convertV4MiniflareOptions({ workers: [worker] }));
try {
	const database = await miniflare.getD1Database("DB");
	const found = [];
	for (const statements of JSON.parse(readFileSync(0, "utf8"))) {
		const prepared = statements.map(({ sql, values }) =>
			values.length > 0 ? database.prepare(sql).bind(...values) : database.prepare(sql),
		);
		found.push((await database.batch(prepared)).map(({ meta }) => [meta.rows_written, meta.rows_read]));
	}
	console.log(JSON.stringify(found));
} finally {
	await miniflare.dispose();
}
