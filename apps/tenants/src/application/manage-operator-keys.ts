import { type Clock } from '@posthorn/clock/clock.js';
import { idOfUuid, newUuid, uuidOfId, uuidText } from '@posthorn/clock/id.js';
import { generateToken, hashToken } from '@posthorn/crypto/token.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Database, type Tx } from '@posthorn/postgres/database.js';
import { type Actor } from '../domain/actor.js';
import { invalidField } from '../domain/field-errors.js';
import { expiryWithin } from '../domain/key-expiry.js';
import {
  checkOperatorKey,
  checkOverlap,
  checkRoomFor,
  isLastKey,
  OPERATOR_KEY_PREFIX,
  type OperatorKey,
} from '../domain/operator-key.js';
import { type KeyMakerRead } from '../persistence/key-maker.read.js';
import { type OperatorKeyStore } from '../persistence/operator-key.store.js';
import { type ChangeRunner } from './change-runner.js';
import { type PageRequest } from './read-configuration.js';

/** A new key; its token is known to the caller alone. */
export interface NewOperatorKey {
  readonly operatorKey: OperatorKey;
  readonly token: string;
}

/** Keys of those who run the platform. Who has lost all of them puts a new one into the operator key file. */
export class ManageOperatorKeys {
  constructor(
    private readonly db: Database,
    private readonly changes: ChangeRunner,
    private readonly operatorKeys: OperatorKeyStore,
    private readonly makers: KeyMakerRead,
    private readonly clock: Clock,
  ) {}

  list({ before, limit }: PageRequest): Promise<OperatorKey[]> {
    return this.operatorKeys.list(this.db, before, limit, this.clock.nowMs());
  }

  /**
   * @param askedAtMs when it is to end; null: with the key that makes it, if that ends.
   * @throws AppError `request.invalid`, `limit.reached`; `principal.forbidden` for one that would outlive its maker
   */
  async create(
    actor: Actor,
    name: string,
    scopes: readonly string[],
    askedAtMs: number | null,
  ): Promise<NewOperatorKey> {
    checkOperatorKey(name, scopes, askedAtMs, this.clock.nowMs());
    const { value } = await this.changes.runPlatform(actor, async ({ tx, nowMs, audit }) => {
      await this.operatorKeys.lock(tx);
      checkRoomFor(await this.operatorKeys.valid(tx, nowMs));
      const expiresAtMs = expiryWithin(askedAtMs, await this.makers.expiry(tx, actor, nowMs));
      const made = await this.insert(tx, { name, scopes: [...new Set(scopes)], expiresAtMs }, nowMs);
      const { operatorKeyId, ...after } = made.operatorKey;
      audit('operator_key.created', idOfUuid('key', operatorKeyId), {
        after: { name, scopes: after.scopes, expiresAtMs },
      });
      return made;
    });
    return value;
  }

  /**
   * Gives a key a successor of the same name, scopes and life, which yet never ends after the key that asks; the former
   * ends after the overlap. So a key that ends gets a new secret by itself, and a new life from one that stays.
   * @param id `key_…`; empty: the actor's own.
   * @throws AppError `api_key.not_found`, `request.invalid`, `limit.reached`
   */
  async rotate(actor: Actor, id: string, overlapSeconds: number): Promise<NewOperatorKey> {
    checkOverlap(overlapSeconds);
    const { value } = await this.changes.runPlatform(actor, async ({ tx, nowMs, audit }) => {
      await this.operatorKeys.lock(tx);
      const valid = await this.operatorKeys.valid(tx, nowMs);
      const former = find(valid, id === '' ? actor.id : id);
      if (overlapSeconds > 0) checkRoomFor(valid);
      const { name, scopes } = former;
      const anewAtMs = former.expiresAtMs === null ? null : nowMs + former.expiresAtMs - former.createdAtMs;
      const expiresAtMs = earlier(anewAtMs, await this.makers.expiry(tx, actor, nowMs));
      const made = await this.insert(tx, { name, scopes, expiresAtMs }, nowMs);
      if (overlapSeconds === 0) await this.operatorKeys.revoke(tx, former.operatorKeyId, nowMs);
      else await this.operatorKeys.expire(tx, former.operatorKeyId, nowMs + overlapSeconds * 1_000);
      audit('operator_key.rotated', idOfUuid('key', former.operatorKeyId), {
        after: { successor: idOfUuid('key', made.operatorKey.operatorKeyId), overlapSeconds },
      });
      return made;
    });
    return value;
  }

  /** @throws AppError `api_key.not_found`; `request.invalid` for the last key that does not run out by itself */
  async delete(actor: Actor, id: string): Promise<void> {
    await this.changes.runPlatform(actor, async ({ tx, nowMs, audit }) => {
      await this.operatorKeys.lock(tx);
      const valid = await this.operatorKeys.valid(tx, nowMs);
      const { operatorKeyId, name, scopes } = find(valid, id);
      if (isLastKey(valid, operatorKeyId))
        throw invalidField('id', 'no other key would be left that does not expire: create one first');
      await this.operatorKeys.revoke(tx, operatorKeyId, nowMs);
      audit('operator_key.deleted', idOfUuid('key', operatorKeyId), { before: { name, scopes } });
    });
  }

  private async insert(
    tx: Tx,
    fields: Pick<OperatorKey, 'name' | 'scopes' | 'expiresAtMs'>,
    nowMs: number,
  ): Promise<NewOperatorKey> {
    const token = generateToken(OPERATOR_KEY_PREFIX);
    const key = { ...fields, operatorKeyId: uuidText(newUuid(nowMs)), origin: 'api' as const };
    return { operatorKey: await this.operatorKeys.insert(tx, key, hashToken(token), nowMs), token };
  }
}

/** Null: never. */
const earlier = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b);

function find(valid: readonly OperatorKey[], id: string): OperatorKey {
  const uuid = uuidOfId('key', id);
  const key = valid.find(({ operatorKeyId }) => operatorKeyId === uuid);
  if (key === undefined) throw new AppError('api_key.not_found');
  return key;
}
