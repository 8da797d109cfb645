import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
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

/** A key that anybody may verify with. */
export interface SigningKey {
  /** UUID text. */
  readonly keyId: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly createdAtMs: number;
}

/**
 * Signs checkpoints and receipts with the platform's Ed25519 key, made when it is first needed.
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
    const { keyId, key } = await this.currentKey();
    return signCheckpoint({ tenantId, number, hash, atMs: this.clock.nowMs(), keyId }, key);
  }

  /** @param text that no checkpoint can be. @returns an Ed25519 signature of its UTF-8 bytes, and whose it is. */
  async signText(text: string): Promise<{ keyId: string; signature: Buffer }> {
    const { keyId, key } = await this.currentKey();
    return { keyId, signature: sign(null, Buffer.from(text, 'utf8'), key) };
  }

  /** Newest first; there is one as soon as anybody asks. One that cannot be unwrapped is left out. */
  async publicKeys(): Promise<SigningKey[]> {
    await this.currentKey();
    const known = await this.checkpoints.keys(this.db);
    return known.flatMap(({ createdAtMs, ...wrapped }) => {
      const key = this.open(wrapped);
      if (key === undefined) return [];
      const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' });
      return [{ keyId: wrapped.keyId, publicKey, createdAtMs }];
    });
  }

  /** Whether a checkpoint is ours. @throws AppError `store.unavailable` */
  async isOurs(checkpoint: Checkpoint): Promise<boolean> {
    let key = this.keys.get(checkpoint.keyId);
    if (key === undefined) {
      const wrapped = await this.checkpoints.key(this.db, checkpoint.keyId);
      key = wrapped && this.open(wrapped);
    }
    return key !== undefined && isSignedBy(checkpoint, createPublicKey(key));
  }

  private async currentKey(): Promise<{ keyId: string; key: KeyObject }> {
    const keyId = (this.current ??= await this.ensureKey());
    return { keyId, key: this.keys.get(keyId)! };
  }

  /** @returns undefined when it was not wrapped by us. */
  private open(wrapped: WrappedKey): KeyObject | undefined {
    try {
      return this.keys.get(wrapped.keyId) ?? this.remember(wrapped);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return undefined;
    }
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
