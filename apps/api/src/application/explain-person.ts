import { parseId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type ComplianceClient } from '../clients/compliance.client.js';
import { type DispatcherClient } from '../clients/dispatcher.client.js';
import { type EventsClient } from '../clients/events.client.js';
import { mergeSources, type ReadPage } from './merge-sources.js';

type EventsAnswer = Awaited<ReturnType<EventsClient['conversations']['listPersonEvents']>>;
type HistoryAnswer = Awaited<ReturnType<ComplianceClient['personQuery']['listPersonHistory']>>;
type CommandsAnswer = Awaited<ReturnType<DispatcherClient['commandQuery']['listMessageCommands']>>;

/** Something that happened to a person, from whoever knows of it. */
export type PersonStep =
  | { readonly kind: 'event'; readonly atMs: number; readonly event: EventsAnswer['events'][number] }
  | { readonly kind: 'compliance'; readonly atMs: number; readonly entry: HistoryAnswer['entries'][number] }
  | { readonly kind: 'send'; readonly atMs: number; readonly command: CommandsAnswer['commands'][number] };

/**
 * One person's story, at all linked addresses: events with what they changed, decisions with their rules, and sends,
 * newest first.
 */
export class ExplainPerson {
  constructor(
    private readonly events: Pick<EventsClient, 'conversations' | 'read'>,
    private readonly compliance: Pick<ComplianceClient, 'personQuery' | 'call'>,
    private readonly dispatcher: Pick<DispatcherClient, 'commandQuery' | 'read'>,
  ) {}

  /** @param personId `per_…` @throws AppError `person.not_found` for what is no such ID. */
  async run(tenantId: string, personId: string, page: { readonly cursor: string; readonly limit: number }) {
    if (parseId('per', personId) === undefined) throw new AppError('person.not_found');
    const { personHashes } = await this.compliance.personQuery.lookupPerson(
      { tenantId, address: '', personId, channel: '' },
      this.compliance.call,
    );
    const sources: ReadPage<PersonStep>[] = [
      (cursor, limit) => this.eventsOf(tenantId, personHashes, cursor, limit),
      (cursor, limit) => this.historyOf(tenantId, personId, cursor, limit),
      (cursor, limit) => this.sendsOf(tenantId, personHashes, cursor, limit),
    ];
    return mergeSources(sources, ({ atMs }) => atMs, page);
  }

  private async eventsOf(tenantId: string, personHashes: Buffer[], cursor: string, limit: number) {
    const answer = await this.events.conversations.listPersonEvents(
      { tenantId, personHashes, limit, cursor, fromMs: 0, toMs: 0 },
      this.events.read,
    );
    const items = answer.events.map((event) => ({ kind: 'event', atMs: event.receivedAtMs, event }) as const);
    return { items, nextCursor: answer.nextCursor };
  }

  private async historyOf(tenantId: string, personId: string, cursor: string, limit: number) {
    const answer = await this.compliance.personQuery.listPersonHistory(
      { tenantId, personId, limit, cursor },
      this.compliance.call,
    );
    const items = answer.entries.map((entry) => ({ kind: 'compliance', atMs: entry.atMs, entry }) as const);
    return { items, nextCursor: answer.nextCursor };
  }

  private async sendsOf(tenantId: string, hashes: readonly Buffer[], cursor: string, limit: number) {
    const none = { state: '', sourceId: '', campaign: '', fromMs: 0, toMs: 0 };
    const answer = await this.dispatcher.commandQuery.listMessageCommands(
      {
        ...none,
        tenantId,
        personHash: '',
        personHashes: hashes.map((hash) => hash.toString('hex')),
        cursor,
        limit,
      },
      this.dispatcher.read,
    );
    const items = answer.commands.map(
      (command) => ({ kind: 'send', atMs: command.createdAtMs, command }) as const,
    );
    return { items, nextCursor: answer.nextCursor };
  }
}
