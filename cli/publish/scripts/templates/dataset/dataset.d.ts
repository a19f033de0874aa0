// The modules dataset.js and rows.txt, which `cli/publish/scripts/dataset.py` generates, for the type check.
export interface Column {
	name: string;
	type: string;
	isNullable: boolean;
}

export interface Dataset {
	/** A hash of the rows and of the code. */
	version: string;
	cacheControl: string;
	/** The column that identifies a row; null for the row number. */
	id: string | null;
	columns: Column[];
	/** The operators of filters, by type of column. */
	operators: Record<string, string[]>;
	limitDefault: number;
	limitMax: number;
	/** A row as JSON Schema. */
	schema: object;
	openapi: object;
}

export const dataset: Dataset;
