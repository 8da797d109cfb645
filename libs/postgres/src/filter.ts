/**
 * A condition on rows that a key has found; it never chooses the index.
 * Why IS TRUE: a bare condition may be that of a partial index of what waits, and the planner, whose statistics take that
 * index for nearly empty, would read all that waits for each row.
 */
export const filter = (condition: string): string => `(${condition}) IS TRUE`;
