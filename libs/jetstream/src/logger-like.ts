/** The fields this library logs; all on the house's allow-list. */
export interface LinkLogFields {
  readonly address?: string;
  readonly cause?: string;
  readonly code?: string;
  readonly count?: number;
  readonly shard?: number;
  readonly durationMs?: number;
  readonly err?: unknown;
}

/** The part of the house's logger that this library uses. */
export interface LoggerLike {
  info(fields: LinkLogFields, message: string): void;
  warn(fields: LinkLogFields, message: string): void;
  error(fields: LinkLogFields, message: string): void;
}
