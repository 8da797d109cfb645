import {
  CommandServiceService,
  type CreateMessageRequest,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

const DEADLINE_MS = 5_000;

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
  readonly notAfterMs: number;
  readonly traceparent: string;
}

/** Who sends. */
export class DispatcherClient {
  private readonly commands;

  constructor(channel: DispatcherChannel) {
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
    answersEventId: '',
    isReplay: false,
  };
}
