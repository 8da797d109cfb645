import {
  CommandServiceService,
  type CreateMessageRequest,
  ErasureServiceService,
  SealedContentServiceService,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { formatId, parseId } from '@posthorn/clock/id.js';
import { GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const DEADLINE_MS = 5_000;
/** It goes through all commands to a person, and waits until the log has what it was told before. */
const ERASE_DEADLINE_MS = 10_000;

/** The connection to dispatcher. */
export class DispatcherChannel extends GrpcChannel {}

/** What a rule's message is made of. IDs in their public form; missing texts are empty. */
export interface RuleMessage {
  readonly tenantId: string;
  readonly ruleId: string;
  readonly triggerEventId: string;
  readonly conversationId: string;
  readonly sourceId: string;
  readonly to: string;
  readonly from: string;
  readonly channel: string;
  readonly category: string;
  readonly text: string;
  readonly subject: string;
  readonly template:
    { readonly name: string; readonly language: string; readonly parameters: readonly string[] } | undefined;
  readonly campaign: string;
  readonly program: string;
  readonly lastInboundAtMs: number;
  /** `evt_…` of the opt-out or HELP that it answers; empty = none. */
  readonly answersEventId: string;
  readonly notAfterMs: number;
  readonly traceparent: string;
}

/** Who sends. */
export class DispatcherClient {
  private readonly commands;
  private readonly erasures;
  private readonly contents;

  constructor(channel: DispatcherChannel) {
    this.erasures = grpcClient(ErasureServiceService, channel);
    this.contents = grpcClient(SealedContentServiceService, channel);
    this.commands = grpcClient(CommandServiceService, channel);
  }

  /**
   * One message for a rule and its event, however often this is called.
   * @returns `msg_…`. @throws AppError of dispatcher, `service.unavailable`, `service.deadline`.
   */
  async createMessage(message: RuleMessage): Promise<string> {
    const { traceparent } = message;
    const { command } = await this.commands.createMessage(requestOf(message), {
      deadlineMs: DEADLINE_MS,
      ...(traceparent !== '' && { traceparent }),
    });
    return command?.id ?? '';
  }

  /**
   * When the oldest message was made of which content is kept there, Unix milliseconds, of each tenant that has any.
   * @param tenantIds 1–500, 16 bytes each. @returns by the ID in hex. @throws AppError `service.unavailable`, `service.deadline`.
   */
  async oldestContents(tenantIds: readonly Buffer[]): Promise<Map<string, number>> {
    const { contents } = await this.contents.listOldestContents(
      { tenantIds: tenantIds.map((tenantId) => formatId('ten', tenantId)) },
      { deadlineMs: DEADLINE_MS },
    );
    return new Map(
      contents.map(({ tenantId, madeAtMs }) => [parseId('ten', tenantId)!.toString('hex'), madeAtMs]),
    );
  }

  /**
   * Takes away what messages to a person say. Once it has answered, none of it is on its way into the log.
   * @param tenantId 16 bytes. @throws AppError `service.unavailable`, `service.deadline`.
   */
  async erasePerson(tenantId: Buffer, actorId: string, personHashes: readonly Buffer[]): Promise<void> {
    const hashes = personHashes.map((hash) => hash.toString('hex'));
    await this.erasures.erasePerson(
      { tenantId: formatId('ten', tenantId), actorId, personHashes: hashes },
      { deadlineMs: ERASE_DEADLINE_MS },
    );
  }
}

function requestOf(message: RuleMessage): CreateMessageRequest {
  const { text, subject, template, ruleId, conversationId } = message;
  return {
    ...message,
    idempotencyKey: '',
    actorId: ruleId,
    content: {
      ...{ text, html: '', subject, title: '', mediaUrls: [], data: {}, unsubscribeUrl: '' },
      template: template && { ...template, parameters: [...template.parameters] },
    },
    replyTo: conversationId,
    notBeforeMs: 0,
    sender: 'bot',
    fencingToken: 0n,
    timeZone: '',
    country: '',
    postalCode: '',
    isReplay: false,
  };
}
