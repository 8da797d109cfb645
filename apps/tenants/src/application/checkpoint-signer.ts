import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type Clock } from '@posthorn/clock/clock.js';
import { newUuid, uuidBytes, uuidText } from '@posthorn/clock/id.js';
import { type KeyWrapper } from '@posthorn/crypto/key-wrapper.js';
import { sealAad } from '@posthorn/crypto/sealed-box.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Database } from '@posthorn/postgres/database.js';
import { PLATFORM_ID } from '../domain/actor.js';
import { type ChainHead } from '../domain/audit-chain.js';
import { type Checkpoint, isSignedBy, signCheckpoint } from '../domain/audit-checkpoint.js';
import { type CheckpointStore } from '../persistence/checkpoint.store.js';
import { type WrappedKey } from '../persistence/key.store.js';

/**
 * Signs checkpoints with the platform's Ed25519 key, made when it is first needed.
 * The database has it under the key-encryption key only, and its public half comes out of the same ciphertext: who
 * can write to the database can neither sign nor put a key of his own in its place.
 */
export class CheckpointSigner {
  private readonly keys = new Map<string, KeyObject>();
  private current: string | undefined;

  constructor(
    private readonly db: Database,
    private readonly checkpoints: CheckpointStore,
    private readonly wrapper: KeyWrapper,
    private readonly clock: Clock,
  ) {}

  async sign(tenantId: string, { number, hash }: ChainHead): Promise<Checkpoint> {
    this.current ??= await this.ensureKey();
    const unsigned = { tenantId, number, hash, atMs: this.clock.nowMs(), keyId: this.current };
    return signCheckpoint(unsigned, this.keys.get(this.current)!);
  }

  /** Whether a checkpoint is ours. @throws AppError `store.unavailable` */
  async isOurs(checkpoint: Checkpoint): Promise<boolean> {
    let key = this.keys.get(checkpoint.keyId);
    if (key === undefined) {
      const wrapped = await this.checkpoints.key(this.db, checkpoint.keyId);
      if (wrapped === undefined) return false;
      try {
        key = this.remember(wrapped);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        return false;
      }
    }
    return isSignedBy(checkpoint, createPublicKey(key));
  }

  private ensureKey(): Promise<string> {
    return this.db.transaction(async (tx) => {
      const known = await this.checkpoints.lockKey(tx);
      if (known !== undefined) {
        this.remember(known);
        return known.keyId;
      }
      const nowMs = this.clock.nowMs();
      const keyId = uuidText(newUuid(nowMs));
      const { privateKey } = generateKeyPairSync('ed25519');
      const bytes = privateKey.export({ format: 'der', type: 'pkcs8' });
      const made = { keyId, wrapped: this.wrapper.wrap(bytes, aadOf(keyId)) };
      await this.checkpoints.insertKey(tx, made, nowMs);
      this.remember(made);
      return keyId;
    });
  }

  private remember({ keyId, wrapped }: WrappedKey): KeyObject {
    const bytes = this.wrapper.unwrap(wrapped, aadOf(keyId));
    const key = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
    this.keys.set(keyId, key);
    return key;
  }
}

const aadOf = (keyId: string): Buffer => sealAad('key', uuidBytes(PLATFORM_ID), uuidBytes(keyId));
