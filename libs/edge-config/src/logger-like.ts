/** The fields this library logs; all on the house's allow-list. */
export interface ConfigLogFields {
  readonly cause?: string;
  readonly code?: string;
  readonly count?: number;
  readonly version?: string;
}

/** The part of the house's logger that this library uses. */
export interface LoggerLike {
  info(fields: ConfigLogFields, message: string): void;
  warn(fields: ConfigLogFields, message: string): void;
  error(fields: ConfigLogFields, message: string): void;
}
