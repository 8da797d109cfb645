import { sealAad } from '@posthorn/crypto/sealed-box.js';
import type { EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { Batcher } from '@posthorn/postgres/batcher.js';
import { encodeEventContent } from '../clients/events.client.js';
import { type Command, type MessageBody } from '../domain/command.js';
import type { SealedContent } from '../persistence/command.inserts.js';
import { CONTENTS_MAX, type CommandStore, type SealedBody } from '../persistence/command.store.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import { acceptedEventIdOf } from '../persistence/outgoing.store.js';

const WAITING_MAX = 4_000;

const unavailable = (): AppError =>
  new AppError('data_key.unavailable', { detail: "the tenant's keys are not in memory" });

/**
 * Seals what a message says and to whom: once for us, once for the log.
 * @param dueAtMs the data key is that week's, so that it is still in memory when the message leaves.
 * @throws AppError `data_key.unavailable`
 */
export function sealContent(
  tenant: EdgeTenant,
  messageId: Buffer,
  body: MessageBody,
  dueAtMs: number,
): SealedContent {
  const box = tenant.boxFor(dueAtMs);
  if (box === undefined) throw unavailable();
  const { from, to, content } = body;
  const event = encodeEventContent({
    ...{ from, to, mediaUrls: content.mediaUrls },
    ...{ text: textOf(body), subject: content.subject === '' ? content.title : content.subject },
  });
  return {
    dataKeyId: box.keyId,
    body: box.seal(Buffer.from(JSON.stringify(body)), sealAad('raw', tenant.uuid, messageId)),
    eventContent: box.seal(event, sealAad('content', tenant.uuid, acceptedEventIdOf(messageId))),
  };
}

/** What a person reads in the conversation's history. */
function textOf({ content: { text, html, template } }: MessageBody): string {
  if (text !== '') return text;
  return template === undefined ? html : `${template.name}: ${template.parameters.join(', ')}`;
}

/** Opens the sealed contents of commands, at the moment they are needed; what is needed at the same time is read together. */
export class CommandContents {
  private readonly batcher = new Batcher<Pick<Command, 'tenantId' | 'messageId'>, SealedBody | undefined>(
    (commands) => this.store.contents(this.db, commands),
    { itemsMax: CONTENTS_MAX, lanesMax: 2, waitingMax: WAITING_MAX },
  );

  constructor(
    private readonly db: Pick<WorkerDatabase, 'query'>,
    private readonly store: Pick<CommandStore, 'contents'>,
  ) {}

  /**
   * @returns undefined once it was erased.
   * @throws AppError `data_key.unavailable`, `store.unavailable`, `store.overloaded`
   */
  async read(
    command: Pick<Command, 'tenantId' | 'messageId'>,
    tenant: EdgeTenant,
  ): Promise<MessageBody | undefined> {
    const sealed = await this.batcher.add(command);
    if (sealed === undefined) return undefined;
    const box = tenant.box(sealed.dataKeyId);
    if (box === undefined) throw unavailable();
    const plain = box.open(sealed.body, sealAad('raw', tenant.uuid, command.messageId));
    return JSON.parse(plain.toString('utf8')) as MessageBody;
  }
}
