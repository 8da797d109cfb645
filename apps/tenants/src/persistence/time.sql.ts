/** Unix milliseconds of a column. */
export const msOf = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;

/** The timestamp of a parameter in Unix milliseconds; null stays null. */
export const timeOf = (parameter: string): string => `to_timestamp(${parameter}::float8 / 1000)`;
