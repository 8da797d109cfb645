import { AppError } from '@posthorn/errors/app-error.js';
import { type DispatcherClient } from '../clients/dispatcher.client.js';
import { type EventsClient } from '../clients/events.client.js';

/** A message as the log tells it, and the command that asked for it. */
export class ExplainMessage {
  constructor(
    private readonly events: Pick<EventsClient, 'query' | 'read'>,
    private readonly dispatcher: Pick<DispatcherClient, 'commandQuery' | 'read'>,
  ) {}

  /**
   * Either is there alone for a while: a command that the log has not been told of yet, a message that came in.
   * @throws AppError `message.not_found` when neither is there.
   */
  async run(tenantId: string, id: string) {
    const [told, asked] = await Promise.all([
      orNothing(this.events.query.getMessage({ tenantId, id }, this.events.read)),
      orNothing(this.dispatcher.commandQuery.getMessageCommand({ tenantId, id }, this.dispatcher.read)),
    ]);
    const [message, command] = [told?.message, asked?.command];
    if (message !== undefined) return { message, command };
    if (command === undefined) throw new AppError('message.not_found');
    return { message: undefined, command };
  }
}

const orNothing = <T>(call: Promise<T>): Promise<T | undefined> =>
  call.catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'message.not_found') return undefined;
    throw error;
  });
