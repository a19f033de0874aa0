// What `cli/publish/dataset.py` writes as dataset.js and rows.txt, for the type check.
export interface Column {
	name: string;
	type: string;
	isNullable: boolean;
}

export interface Dataset {
	title: string;
	description: string;
	/** Changes with the rows and with the code that answers from them. */
	version: string;
	cacheControl: string;
	/** The column that rows are known by; null for their number. */
	id: string | null;
	columns: Column[];
}

export const dataset: Dataset;
