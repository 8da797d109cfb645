import { createHash } from 'node:crypto';
import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import { sealAad } from '@posthorn/crypto/sealed-box.js';
import type { EdgeConfig, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { ShardLeases } from '@posthorn/postgres/shard-leases.js';
import { keywordMeaning, keywordSignal } from '@posthorn/providers/opt-out-keywords.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { IntakeRequest } from '../domain/intake.js';
import type { LoggedEvent } from '../domain/project-event.js';
import { textsOf } from '../domain/text-parts.js';
import { decodeContent, encodeContent, type Content } from '../persistence/content.codec.js';
import type { ContentRead } from '../persistence/content.read.js';
import type { ChosenText, JoinableText, PartStore } from '../persistence/part.store.js';
import type { AppendRequests } from './append-requests.js';
import type { OpenSealed } from './open-sealed.js';

/** Whoever holds this lane puts together. Two at once would do no harm: the log knows each text's event. */
const JOIN_SHARD = 0;
const JOIN_INTERVAL_MS = 500;
/** Pages of one round: what is left waits for the next. */
const PAGES_MAX = 20;
const HASH_BYTES = 16;
const NONE = Buffer.alloc(0);

/**
 * Puts texts together that came in parts, each an event of its own: one more event, `message.received`, whose content
 * is the whole text. Which parts become which event is settled first; whatever happens then, it is in the log once.
 */
export class JoinTexts {
  private readonly rounds = new Rounds(JOIN_INTERVAL_MS, () => this.round());

  constructor(
    private readonly db: Pick<Database, 'transaction' | 'query'>,
    private readonly reader: Pick<Database, 'tenantTransaction'>,
    private readonly store: PartStore,
    private readonly contents: ContentRead,
    private readonly open: OpenSealed,
    private readonly append: Pick<AppendRequests, 'run'>,
    private readonly edge: Pick<EdgeConfig, 'tenant'>,
    private readonly leases: Pick<ShardLeases, 'held'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** One round. @returns how many texts are in the log now. */
  async run(): Promise<number> {
    await this.db.transaction(async (tx) => {
      const texts = textsOf(await this.store.ripe(tx, this.clock.nowMs()), this.clock.nowMs());
      if (texts.length > 0) await this.store.choose(tx, texts.map(chosenOf));
    });
    let joined = 0;
    let after: JoinableText | undefined;
    for (let page = 0; page < PAGES_MAX && !this.rounds.isStopped; page += 1) {
      const { texts, hasMore } = await this.store.chosen(this.db, after);
      for (const text of texts) if (await this.joinOrWait(text)) joined += 1;
      after = texts.at(-1);
      if (!hasMore) break;
    }
    return joined;
  }

  /** One that cannot be put together now (its tenant's key is not here) holds up no other. */
  private async joinOrWait(text: JoinableText): Promise<boolean> {
    try {
      return await this.join(text);
    } catch (err) {
      const eventId = formatId('evt', text.joinedId);
      this.log.warn({ err, stage: 'join', eventId }, 'a text in parts was not put together');
      return false;
    }
  }

  private async join(text: JoinableText): Promise<boolean> {
    const request = await this.requestOf(text);
    return this.db.transaction(async (tx) => {
      // No: another process was faster, or the person was erased meanwhile.
      const isWanted = request !== undefined && (await this.store.hold(tx, text));
      if (isWanted) {
        const { outcome, detail } = (await this.append.run([request]))[0]!;
        if (outcome === 'unavailable') throw new AppError('store.unavailable', { detail });
        // It never will take it: the parts are there, each in its own event.
        if (outcome === 'refused')
          this.log.warn({ stage: 'join', cause: detail }, 'the log refuses a whole text');
      }
      await this.store.done(tx, text);
      return isWanted;
    });
  }

  /** @returns undefined when nothing is kept of what the parts said. */
  private async requestOf({
    tenantId,
    joinedId,
    total,
    parts,
  }: JoinableText): Promise<IntakeRequest | undefined> {
    const said = await this.wordsOf(tenantId, parts);
    if (said.length === 0) return undefined;
    const tenant = this.edge.tenant(formatId('ten', tenantId));
    const box = tenant?.boxFor(this.clock.nowMs());
    if (tenant === undefined || box === undefined) throw new AppError('data_key.unavailable');
    const text = said.map((content) => content.text).join('');
    const content = encodeContent({
      ...said[0]!,
      text,
      mediaUrls: said.flatMap(({ mediaUrls }) => mediaUrls),
    });
    const [first, latest] = [parts[0]!, parts.reduce(laterOf)];
    const times = parts.map(({ occurredAtMs }) => occurredAtMs).filter((ms) => ms > 0);
    return {
      requestId: NONE,
      tenantId,
      sourceId: first.sourceId,
      provider: first.provider,
      secretId: NONE,
      receivedAtMs: latest.receivedAtMs,
      dataKeyId: box.keyId,
      raw: NONE,
      traceparent: latest.traceparent,
      events: [
        {
          eventId: joinedId,
          dedupHash: createHash('sha256').update('joined').update(joinedId).digest().subarray(0, HASH_BYTES),
          type: first.type,
          shard: first.shard,
          personHash: first.personHash ?? NONE,
          occurredAtMs: times.length === 0 ? 0 : Math.min(...times),
          content: box.seal(content, sealAad('content', tenantId, joinedId)),
          attributes: {
            ...first.attributes,
            part: undefined,
            signal: signalIn(text, tenant.keywords),
            causedBy: first.eventId,
            note:
              said.length === total ? `put together of ${total} parts` : `${said.length} of ${total} parts`,
          },
        },
      ],
    };
  }

  /** In the order of the parts; without those of which nothing is kept. */
  private async wordsOf(tenantId: Buffer, parts: readonly LoggedEvent[]): Promise<Content[]> {
    const tenant = uuidText(tenantId);
    const ids = parts.map(({ eventId }) => uuidText(eventId));
    const sealed = await this.reader.tenantTransaction(tenant, (tx) =>
      this.contents.contents(tx, tenant, ids),
    );
    const byId = new Map(sealed.map((one) => [one.rowId, one]));
    const words: Content[] = [];
    for (const id of ids) {
      const one = byId.get(id);
      const bytes = one && (await this.open.ifKept('content', tenantId, one));
      if (bytes !== undefined) words.push(decodeContent(bytes));
    }
    return words;
  }

  private async round(): Promise<void> {
    try {
      if (this.leases.held().has(JOIN_SHARD)) await this.run();
    } catch (err) {
      this.log.warn({ err, stage: 'join' }, 'texts in parts were not put together');
    }
  }
}

/** Its ID is as old as its last part: who erases what came until now finds it, however late it is put together. */
const chosenOf = (parts: ChosenText['parts']): ChosenText => ({
  tenantId: parts[0]!.tenantId,
  joinedId: newUuid(Math.max(...parts.map(({ receivedAtMs }) => Math.floor(receivedAtMs)))),
  parts,
});

const laterOf = (a: LoggedEvent, b: LoggedEvent): LoggedEvent => (b.receivedAtMs > a.receivedAtMs ? b : a);

/** What the whole text asks for: by a usual keyword, or by one of the tenant's own. */
function signalIn(text: string, keywords: EdgeTenant['keywords']): string {
  return keywordSignal(text) ?? keywordMeaning(keywords, text) ?? '';
}
