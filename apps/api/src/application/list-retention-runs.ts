import { type DispatcherClient } from '../clients/dispatcher.client.js';
import { type EventsClient } from '../clients/events.client.js';
import { mergeSources, type ReadPage } from './merge-sources.js';

type EventsRun = Awaited<ReturnType<EventsClient['intakeQuery']['listRetentionRuns']>>['runs'][number];

/** What retention took away at once, and from whom: both services tell it in the same form. */
export type ServiceRetentionRun = EventsRun & { readonly service: 'events' | 'dispatcher' };

/** What retention took away in the log and of what left, as one list. */
export class ListRetentionRuns {
  constructor(
    private readonly events: Pick<EventsClient, 'intakeQuery' | 'read'>,
    private readonly dispatcher: Pick<DispatcherClient, 'retention' | 'read'>,
  ) {}

  /** Newest first. @param page its cursor is empty for the first page. @throws AppError `request.invalid` */
  run(tenantId: string, page: { readonly cursor: string; readonly limit: number }) {
    const ofEvents: ReadPage<ServiceRetentionRun> = async (cursor, limit) => {
      const call = { tenantId, limit, cursor };
      const { runs, nextCursor } = await this.events.intakeQuery.listRetentionRuns(call, this.events.read);
      return { items: runs.map((run) => ({ ...run, service: 'events' })), nextCursor };
    };
    const ofDispatcher: ReadPage<ServiceRetentionRun> = async (cursor, limit) => {
      const call = { tenantId, limit, cursor };
      const { runs, nextCursor } = await this.dispatcher.retention.listRetentionRuns(
        call,
        this.dispatcher.read,
      );
      return { items: runs.map((run) => ({ ...run, keyIds: [], service: 'dispatcher' })), nextCursor };
    };
    return mergeSources([ofEvents, ofDispatcher], ({ atMs }) => atMs, page);
  }
}
