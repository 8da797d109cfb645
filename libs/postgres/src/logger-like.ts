/** The fields this library logs; all on the house's allow-list. */
export interface PostgresLogFields {
  readonly count?: number;
  readonly stage?: string;
  readonly sequence?: bigint;
  readonly err?: unknown;
}

/** The part of the house's logger that this library uses. */
export interface LoggerLike {
  info(fields: PostgresLogFields, message: string): void;
  warn(fields: PostgresLogFields, message: string): void;
}
