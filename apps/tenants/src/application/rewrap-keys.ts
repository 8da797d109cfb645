import { type Clock } from '@posthorn/clock/clock.js';
import { uuidBytes } from '@posthorn/clock/id.js';
import { type KeyWrapper } from '@posthorn/crypto/key-wrapper.js';
import { sealAad } from '@posthorn/crypto/sealed-box.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type KeyEncryptionFile } from '../clients/key-encryption-file.js';
import {
  type OwnedKey,
  WRAPPED_TABLES,
  type WrappedKeyStore,
  type WrappedTable,
} from '../persistence/wrapped-key.store.js';

const KEYS_PER_TRANSACTION = 200;
/** Of one call; housekeeping goes on with the rest. */
const TIME_MS_MAX = 3_000;
/** Replicas take up a new version within a round of housekeeping: later rounds find what they wrapped until then. */
const ROUNDS_AFTER_CHANGE = 5;

/** How many keys were wrapped anew, and how many are still under another version. */
export interface Rewrapped {
  readonly rewrapped: number;
  readonly remaining: number;
}

/**
 * Wraps keys anew that are not under the current key-encryption key. The keys themselves stay as they are, so nothing
 * that they sealed is touched, and nobody notices.
 */
export class RewrapKeys {
  private knownId: Buffer = Buffer.alloc(0);
  private roundsLeft = 0;

  constructor(
    private readonly db: Database,
    private readonly keys: WrappedKeyStore,
    private readonly wrapper: KeyWrapper,
    private readonly file: KeyEncryptionFile,
    private readonly clock: Clock,
  ) {}

  async run(): Promise<Rewrapped> {
    const [currentId, startMs] = [this.file.currentId, this.clock.monotonicMs()];
    let [rewrapped, remaining] = [0, 0];
    for (const table of WRAPPED_TABLES) {
      for (;;) {
        const count = await this.rewrapSome(table, currentId);
        rewrapped += count;
        if (count === 0 || this.clock.monotonicMs() - startMs > TIME_MS_MAX) break;
      }
      remaining += await this.keys.countForeign(this.db, table, currentId);
    }
    return { rewrapped, remaining };
  }

  /** The same by itself: after the file changed, and as long as anything is left. */
  async runWhenDue(): Promise<Rewrapped> {
    this.file.reload();
    const currentId = this.file.currentId;
    if (!currentId.equals(this.knownId)) {
      this.knownId = currentId;
      this.roundsLeft = ROUNDS_AFTER_CHANGE;
    }
    if (this.roundsLeft === 0) return { rewrapped: 0, remaining: 0 };
    const result = await this.run();
    if (result.remaining === 0) this.roundsLeft -= 1;
    return result;
  }

  private rewrapSome(table: WrappedTable, currentId: Buffer): Promise<number> {
    return this.db.transaction(async (tx) => {
      const foreign = await this.keys.lockForeign(tx, table, currentId, KEYS_PER_TRANSACTION);
      let count = 0;
      for (const key of foreign) {
        const wrapped = this.wrapAnew(key);
        if (wrapped === undefined) continue;
        await this.keys.rewrap(tx, table, { ...key, wrapped });
        count += 1;
      }
      return count;
    });
  }

  /** @returns undefined for a key that no version opens: it stays, and counts as remaining. */
  private wrapAnew({ tenantId, keyId, wrapped }: OwnedKey): Buffer | undefined {
    const aad = sealAad('key', uuidBytes(tenantId), uuidBytes(keyId));
    try {
      return this.wrapper.wrap(this.wrapper.unwrap(wrapped, aad), aad);
    } catch (error) {
      if (error instanceof AppError && error.code === 'ciphertext.invalid') return undefined;
      throw error;
    }
  }
}
