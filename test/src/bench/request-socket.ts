import { connect, type Socket } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
const EMPTY: Buffer = Buffer.alloc(0);

/** Where requests go. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What a loop sends, and for how long. */
export interface Load extends Target {
  /** The first part of the run, whose latencies do not count. */
  readonly warmUpMs: number;
  /** What follows it. */
  readonly durationMs: number;
  readonly take: () => Buffer;
}

/**
 * One connection, one request at a time, on a bare socket. Why: on shared cores the generator's own cost is part of what is
 * measured, so it must be small.
 */
export class RequestSocket {
  private readonly socket: Socket;
  private rest = EMPTY;
  private answered: ((status: number) => void) | undefined;

  /** @param opened a request may be sent. @param closed no answer comes any more; `send` must not be called again. */
  constructor({ host, port }: Target, opened: () => void, closed: () => void) {
    this.socket = connect({ host, port, noDelay: true });
    this.socket.on('connect', opened);
    this.socket.on('data', (chunk: Buffer) => this.read(chunk));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.answer(0);
      closed();
    });
  }

  /** @param answered with the status, or with 0 when the connection ends before it. */
  send(request: Buffer, answered: (status: number) => void): void {
    this.answered = answered;
    this.socket.write(request);
  }

  end(): void {
    this.socket.end();
  }

  private read(chunk: Buffer): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const status = answerIn(this.rest);
    if (status === undefined) return;
    this.rest = EMPTY;
    this.answer(status);
  }

  private answer(status: number): void {
    const { answered } = this;
    this.answered = undefined;
    answered?.(status);
  }
}

/** @returns the status when the bytes are one whole answer. */
export function answerIn(bytes: Buffer): number | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const status = Number(bytes.toString('latin1', 9, 12));
  if (status === 204 || status === 304) return status;
  const head = bytes.toString('latin1', 0, headEnd).toLowerCase();
  const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
  if (length !== undefined) return bytes.length >= headEnd + 4 + Number(length) ? status : undefined;
  return head.includes('\r\ntransfer-encoding: chunked') && !bytes.subarray(-5).equals(LAST_CHUNK)
    ? undefined
    : status;
}
