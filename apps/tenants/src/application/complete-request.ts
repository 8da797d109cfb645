import { AppError } from '@posthorn/errors/app-error.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type IdempotencyStore } from '../persistence/idempotency.store.js';

const BODY_LENGTH_MAX = 1_048_576;

/** Keeps the answer to a request under its Idempotency-Key, or gives the key back when the request failed. */
export class CompleteRequest {
  constructor(
    private readonly db: Database,
    private readonly requests: IdempotencyStore,
  ) {}

  /**
   * @param status of the answer; 0 gives the key back. @param bodyJson with secrets set to null.
   * @throws AppError `request.too_large` for a body over 1 MiB.
   */
  async run(principalId: string, idempotencyKey: string, status: number, bodyJson: string): Promise<void> {
    if (status === 0) return this.requests.forget(this.db, principalId, idempotencyKey);
    if (bodyJson.length > BODY_LENGTH_MAX) throw new AppError('request.too_large');
    await this.requests.complete(this.db, principalId, idempotencyKey, status, bodyJson);
  }
}
