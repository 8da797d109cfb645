import { pino, type Logger as PinoLogger } from 'pino';
import type { Clock } from '@posthorn/clock/clock.js';
import { errorText } from './error-text.js';
import { isLogField, type LogFields, logValue } from './log-fields.js';

export { LOG_FIELDS, type LogField, type LogFields, type LogValue } from './log-fields.js';

/** Structured log lines. Fields that are not in LOG_FIELDS are dropped. */
export abstract class Logger {
  /** Whether debug lines are written: for callers to whom making the fields costs something. */
  abstract get isDebugging(): boolean;
  abstract debug(fields: LogFields, message: string): void;
  abstract info(fields: LogFields, message: string): void;
  abstract warn(fields: LogFields, message: string): void;
  abstract error(fields: LogFields, message: string): void;
  /** A logger whose every line has these fields. */
  abstract child(fields: LogFields): Logger;
}

/** Where lines go. pino's own destinations fit. */
export interface LogSink {
  write(line: string): unknown;
  flushSync?(): void;
}

/** How a process logs. */
export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly clock: Clock;
  readonly fields: LogFields;
  /** Standard output without one. */
  readonly sink?: LogSink;
}

const STDOUT = 1;
const BUFFER_BYTES = 8 * 1024;
const BACKLOG_BYTES_MAX = 8 * 1024 * 1024;
const FLUSH_INTERVAL_MS = 200;

/** One JSON object a line. */
export class JsonLogger extends Logger {
  constructor(private readonly pino: PinoLogger) {
    super();
  }

  get isDebugging(): boolean {
    return this.pino.isLevelEnabled('debug');
  }

  debug(fields: LogFields, message: string): void {
    if (this.isDebugging) this.pino.debug(cleaned(fields), message);
  }

  info(fields: LogFields, message: string): void {
    if (this.pino.isLevelEnabled('info')) this.pino.info(cleaned(fields), message);
  }

  warn(fields: LogFields, message: string): void {
    if (this.pino.isLevelEnabled('warn')) this.pino.warn(cleaned(fields), message);
  }

  error(fields: LogFields, message: string): void {
    if (this.pino.isLevelEnabled('error')) this.pino.error(cleaned(fields), message);
  }

  child(fields: LogFields): Logger {
    return new JsonLogger(this.pino.child(cleaned(fields)));
  }
}

/**
 * Standard output, written in the background: a line costs no system call, and a reader that stalls costs
 * lines, not memory. Whoever ends the process calls flushSync.
 * @param onDropped called for each line that did not fit.
 */
export function standardOutput(onDropped: () => void = () => {}): LogSink {
  const output = pino.destination({
    dest: STDOUT,
    sync: false,
    minLength: BUFFER_BYTES,
    maxLength: BACKLOG_BYTES_MAX,
    periodicFlush: FLUSH_INTERVAL_MS,
  });
  output.on('drop', onDropped);
  return {
    write: (line) => output.write(line),
    flushSync: () => {
      try {
        output.flushSync();
      } catch {
        // The reader is gone or the descriptor is not open yet: there is nobody to tell.
      }
    },
  };
}

/** The logger of a process. */
export function openLogger({ level, clock, fields, sink = standardOutput() }: LoggerOptions): Logger {
  return new JsonLogger(
    pino(
      {
        level,
        base: cleaned(fields),
        timestamp: () => `,"time":${clock.nowMs()}`,
        formatters: { level: (label) => ({ level: label }) },
        messageKey: 'message',
        serializers: { err: (err: unknown) => err }, // errorText made it; pino's own would add the message to the stack
      },
      sink,
    ),
  );
}

function cleaned(fields: LogFields): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'err') {
      if (value !== undefined) clean['err'] = errorText(value);
      continue;
    }
    const written = isLogField(name) ? logValue(value) : undefined;
    if (written !== undefined) clean[name] = written;
  }
  return clean;
}
