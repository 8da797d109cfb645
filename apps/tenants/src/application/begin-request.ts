import { type Clock } from '@posthorn/clock/clock.js';
import { type Database } from '@posthorn/postgres/database.js';
import { FieldErrors } from '../domain/field-errors.js';
import { type IdempotencyStore } from '../persistence/idempotency.store.js';

/** What is to be done with a request. */
export type BeginOutcome =
  | { readonly outcome: 'new' | 'conflict' | 'in_progress' }
  | { readonly outcome: 'replay'; readonly status: number; readonly bodyJson: string };

const KEY_LENGTH_MAX = 255;
const FINGERPRINT_BYTES = 32;

/**
 * Claims an Idempotency-Key (C5): the first request with it runs, the same again gets the first answer, another
 * one under the same key is refused. A key is kept for 24 h; one whose request never came back is free after 60 s.
 */
export class BeginRequest {
  constructor(
    private readonly db: Database,
    private readonly requests: IdempotencyStore,
    private readonly clock: Clock,
  ) {}

  /** @param fingerprint SHA-256 of method, path and body. @throws AppError `request.invalid` */
  async run(principalId: string, idempotencyKey: string, fingerprint: Buffer): Promise<BeginOutcome> {
    const errors = new FieldErrors();
    errors.require(isKey(principalId), 'principalId', `1 to ${KEY_LENGTH_MAX} characters`);
    errors.require(isKey(idempotencyKey), 'header.Idempotency-Key', `1 to ${KEY_LENGTH_MAX} characters`);
    errors.require(fingerprint.length === FINGERPRINT_BYTES, 'fingerprint', `${FINGERPRINT_BYTES} bytes`);
    errors.throwIfAny();
    return this.db.transaction(async (tx): Promise<BeginOutcome> => {
      const nowMs = this.clock.nowMs();
      if (await this.requests.insert(tx, principalId, idempotencyKey, fingerprint, nowMs))
        return { outcome: 'new' };
      const known = await this.requests.lock(tx, principalId, idempotencyKey, nowMs);
      // Gone between the two statements: its request failed and gave the key back at this moment.
      if (known === undefined) return { outcome: 'in_progress' };
      const isSame = known.fingerprint.equals(fingerprint);
      const isFree = known.isExpired || (isSame && known.status === null && known.isAbandoned);
      if (isFree) {
        await this.requests.restart(tx, principalId, idempotencyKey, fingerprint, nowMs);
        return { outcome: 'new' };
      }
      if (!isSame) return { outcome: 'conflict' };
      if (known.status === null) return { outcome: 'in_progress' };
      return { outcome: 'replay', status: known.status, bodyJson: known.bodyJson ?? '' };
    });
  }
}

const isKey = (text: string): boolean =>
  text !== '' && text.length <= KEY_LENGTH_MAX && !/[\u0000-\u001f]/.test(text);
