import { type Actor } from './actor.js';

/** One act: who, what, when, from where, before and after. */
export interface AuditEntry {
  readonly auditId: string;
  /** Whole Unix milliseconds: what is hashed must come back from the database as it was. */
  readonly atMs: number;
  readonly actor: Actor;
  readonly action: string;
  /** The public ID of what was changed. */
  readonly target: string;
  /** JSON, without secrets. */
  readonly detailJson: string;
  /** `<service>:<number>` when another service appended it, else empty. */
  readonly origin: string;
}

/** An entry in its place in a tenant's log. */
export interface ChainedEntry extends AuditEntry {
  /** Dense for each tenant, from 1: a missing number is a removed entry. */
  readonly number: bigint;
  /** 32 bytes; over the former entry's hash and this entry. */
  readonly hash: Buffer;
}

export const AUDIT_TEXT_LENGTH_MAX = 200;
export const AUDIT_DETAIL_LENGTH_MAX = 16_384;
/** A noun and a verb, as in `source.created`. */
export const AUDIT_ACTION = /^[a-z][a-z_]{0,49}\.[a-z][a-z_]{0,49}$/;

/** Whether a text can stand in the log. NUL cannot be stored, and half a surrogate pair would come back as another text. */
export const isAuditText = (text: string, lengthMax: number): boolean =>
  text.length <= lengthMax && !text.includes('\0') && !/\p{Surrogate}/u.test(text);

/** Whether a text is one JSON object that the log takes. */
export function isAuditDetail(text: string): boolean {
  if (!isAuditText(text, AUDIT_DETAIL_LENGTH_MAX)) return false;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
