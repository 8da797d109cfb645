import { parseId } from '@posthorn/clock/id.js';
import type {
  DataKey,
  PersonKey,
  TenantConfig,
  TenantKeywords,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { SealedBox } from '@posthorn/crypto/sealed-box.js';
import { AppError } from '@posthorn/errors/app-error.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const WEEK_DAYS = 7;

/** What a tenant's own word asks for. */
export type KeywordMeaning = 'opt_out' | 'opt_in' | 'help';

const NO_KEYWORDS: ReadonlyMap<string, KeywordMeaning> = new Map();

/** A tenant and its keys, as long as the keys may stay in memory. */
export class EdgeTenant {
  /** `ten_…` */
  readonly id: string;
  readonly uuid: Buffer;
  readonly slug: string;
  readonly status: string;
  /** Intake goes on; nothing is sent, and its API keys only read. */
  readonly isSuspended: boolean;
  /** No command of this tenant may leave: its sends are paused, or it is suspended. */
  readonly isSendingPaused: boolean;
  /** The lanes of the log this tenant uses. */
  readonly shards: readonly number[];
  /** Requests its providers may send, at each process of ingress; undefined: as many as those of every tenant. */
  readonly intakeQuota: { readonly ratePerSecond: number; readonly burst: number } | undefined;
  /** Media of its messages are fetched and kept, up to so many bytes each; undefined: none are. */
  readonly media: { readonly maxBytes: number } | undefined;
  /** Its own words beside the usual keywords, folded as tenants folded them; usually none. */
  readonly keywords: ReadonlyMap<string, KeywordMeaning>;
  private dataKeys: readonly DataKey[];
  private secretHashKey: Buffer | undefined;
  private keptUnder: readonly PersonKey[];
  /** Whether its consent records are sealed: a key that is not in memory now is not a key that there is not. */
  readonly hasRecordKey: boolean;
  private ofRecords: Pick<DataKey, 'id' | 'key'> | undefined;
  private readonly boxes = new Map<string, SealedBox>();

  /** @param mayUseKeys false when tenants has not been heard for so long that keys must not be used. */
  constructor(
    config: TenantConfig,
    private readonly mayUseKeys: () => boolean,
  ) {
    this.id = config.id;
    this.uuid = uuidOf('ten', config.id);
    this.slug = config.slug;
    this.status = config.status;
    this.isSuspended = config.status === 'suspended';
    this.isSendingPaused = this.isSuspended || config.sendsPaused === true;
    this.shards = config.shards;
    this.intakeQuota = config.intakeQuota;
    this.media = config.media;
    this.keywords = keywordsOf(config.keywords);
    this.dataKeys = config.dataKeys;
    this.secretHashKey = config.hashKey.length > 0 ? config.hashKey : undefined;
    this.keptUnder = config.personKeys;
    this.hasRecordKey = config.recordKey !== undefined;
    this.ofRecords = config.recordKey?.key.length === 0 ? undefined : config.recordKey;
  }

  /** 32 bytes; undefined when not asked for by kind, or evicted. */
  get hashKey(): Buffer | undefined {
    return this.mayUseKeys() ? this.secretHashKey : undefined;
  }

  /** Of the newest key under which the hashes of persons are to be kept; 0: none. */
  get personKeyGeneration(): number {
    return Math.max(0, ...this.keptUnder.map(({ generation }) => generation));
  }

  /** 32 bytes; undefined when there is none of that generation, or it is evicted. */
  personKey(generation: number): Buffer | undefined {
    return this.mayUseKeys() ? this.keptUnder.find((key) => key.generation === generation)?.key : undefined;
  }

  /** Seals with the newest data key of the week. @param nowMs Unix milliseconds. */
  boxFor(nowMs: number): SealedBox | undefined {
    const day = Math.floor(nowMs / DAY_MS);
    let newest: DataKey | undefined;
    for (const key of this.dataKeys) {
      const isOfWeek = key.weekStartDay <= day && day < key.weekStartDay + WEEK_DAYS;
      if (isOfWeek && (newest === undefined || generationOf(key) > generationOf(newest))) newest = key;
    }
    return this.boxOf(newest);
  }

  /** Opens what was sealed with that data key. @param keyId 16 bytes. */
  box(keyId: Buffer): SealedBox | undefined {
    return this.boxOf(this.dataKeys.find(({ id }) => id.equals(keyId)));
  }

  /** Seals and opens consent records; undefined when there is no key, or it is not in memory. */
  get recordBox(): SealedBox | undefined {
    return this.boxOf(this.ofRecords);
  }

  /** Forgets all key material. */
  evictKeys(): void {
    this.dataKeys = [];
    this.secretHashKey = undefined;
    this.keptUnder = [];
    this.ofRecords = undefined;
    this.boxes.clear();
  }

  private boxOf(key: Pick<DataKey, 'id' | 'key'> | undefined): SealedBox | undefined {
    if (key === undefined || !this.mayUseKeys()) return undefined;
    const name = key.id.toString('hex');
    let box = this.boxes.get(name);
    if (box === undefined) this.boxes.set(name, (box = new SealedBox(key.id, key.key)));
    return box;
  }
}

/** A tenants that knows of no generations has one. */
const generationOf = ({ generation }: DataKey): number => generation ?? 0;

function keywordsOf(words: TenantKeywords | undefined): ReadonlyMap<string, KeywordMeaning> {
  if (words === undefined) return NO_KEYWORDS;
  const keywords = new Map<string, KeywordMeaning>();
  for (const word of words.optIn) keywords.set(word, 'opt_in');
  for (const word of words.help) keywords.set(word, 'help');
  // Last: whatever else a word may mean, it stops.
  for (const word of words.optOut) keywords.set(word, 'opt_out');
  return keywords;
}

/** @throws AppError `config.invalid` when it is not an ID of that kind. */
export function uuidOf(prefix: 'ten' | 'src' | 'dst', id: string): Buffer {
  const uuid = parseId(prefix, id);
  if (uuid === undefined) throw new AppError('config.invalid', { detail: `not a ${prefix} ID` });
  return uuid;
}
