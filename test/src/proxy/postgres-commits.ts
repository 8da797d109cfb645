import { type Watcher } from './tcp-proxy.js';

const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const LENGTH_BYTES = 4;
const WRITES = /\b(?:insert|update|delete|merge)\b/i;

/**
 * Finds, in what a client sends to Postgres, the byte behind each message that makes the server commit: a
 * COMMIT, or, outside of a transaction, a statement that writes. Prepared statements included.
 * @param only counts only transactions in which a statement's text matches.
 * Source: PostgreSQL documentation, "Frontend/Backend Protocol", read 2026-11.
 */
export class CommitWatcher implements Watcher {
  private rest: Buffer = Buffer.alloc(0);
  private isStarted = false;
  private isInTransaction = false;
  private matches = false;
  private hasWritten = false;
  private isCommitting = false;
  private readonly statements = new Map<string, string>();
  private readonly portals = new Map<string, string>();

  constructor(private readonly only: RegExp = /(?:)/) {}

  moments(chunk: Buffer): number[] {
    const restLength = this.rest.length;
    const bytes = restLength === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const offsets: number[] = [];
    let at = 0;
    for (;;) {
      const head = this.isStarted ? 1 : 0;
      if (bytes.length < at + head + LENGTH_BYTES) break;
      const end = at + head + bytes.readUInt32BE(at + head);
      if (bytes.length < end) break;
      const payload = bytes.subarray(at + head + LENGTH_BYTES, end);
      if (head === 0) this.start(payload);
      else if (this.isCommitPoint(String.fromCharCode(bytes[at]!), payload)) offsets.push(end - restLength);
      at = end;
    }
    this.rest = Buffer.from(bytes.subarray(at));
    return offsets;
  }

  private start(payload: Buffer): void {
    const code = payload.readUInt32BE(0);
    this.isStarted = code !== SSL_REQUEST && code !== GSS_REQUEST;
  }

  private isCommitPoint(type: string, payload: Buffer): boolean {
    if (type === 'P') {
      const [name, text] = texts(payload);
      this.statements.set(name!, text!);
    } else if (type === 'B') {
      const [portal, statement] = texts(payload);
      this.portals.set(portal!, this.statements.get(statement!) ?? '');
    } else if (type === 'E') this.execute(this.portals.get(texts(payload)[0]!) ?? '');
    else if (type === 'Q') {
      this.execute(texts(payload)[0]!);
      return this.sync();
    } else if (type === 'S') return this.sync();
    return false;
  }

  private execute(text: string): void {
    const word = /^\s*(\w+)/.exec(text)?.[1]?.toLowerCase();
    if (word === 'begin' || word === 'start') this.isInTransaction = true;
    else if (word === 'commit' || word === 'end') this.isCommitting = true;
    else if (word === 'rollback' || word === 'abort') {
      // Not ROLLBACK TO: a savepoint does not end the transaction.
      if (!/^\s*rollback\s+to\b/i.test(text)) this.reset();
    } else {
      this.matches ||= this.only.test(text);
      this.hasWritten ||= WRITES.test(text);
    }
  }

  private sync(): boolean {
    const isCommit = this.isCommitting || (!this.isInTransaction && this.hasWritten);
    const isMoment = isCommit && this.matches;
    if (isCommit || !this.isInTransaction) this.reset();
    return isMoment;
  }

  private reset(): void {
    this.isInTransaction = this.isCommitting = this.matches = this.hasWritten = false;
  }
}

/** The zero-terminated texts at the start of a message. */
function texts(payload: Buffer): string[] {
  const first = payload.indexOf(0);
  const second = payload.indexOf(0, first + 1);
  const one = payload.toString('utf8', 0, first < 0 ? payload.length : first);
  return second < 0 ? [one] : [one, payload.toString('utf8', first + 1, second)];
}
