import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { ExplainMessage } from '../application/explain-message.js';
import { DispatcherClient } from '../clients/dispatcher.client.js';
import { EventsClient } from '../clients/events.client.js';
import { askedBy } from './applied.js';
import {
  command,
  commandOf,
  createMessage,
  createRequest,
  message,
  messageOf,
  messageOfCommand,
  messagesQuery,
  messageWithCommand,
  resolveMessage,
} from './messages.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, pageOf } from './shapes.dto.js';

const MESSAGES = '/v1/tenants/{tenant}/messages';
const read = { principal: 'tenant', scope: 'messages:read' } as const;
const write = { principal: 'tenant', scope: 'messages:write' } as const;

/** Messages: what came in, and what we are asked to send. */
@Controller()
export class MessagesController {
  constructor(
    private readonly events: EventsClient,
    private readonly dispatcher: DispatcherClient,
    private readonly explain: ExplainMessage,
  ) {}

  @Route({
    method: 'GET',
    path: MESSAGES,
    tag: 'Messages',
    summary: 'List messages, newest first',
    access: read,
    query: messagesQuery,
    status: 200,
    response: listOf(message),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof messagesQuery>>) {
    const answer = await this.events.query.listMessages(
      {
        tenantId: tenant.id,
        limit: query.limit,
        cursor: query.cursor ?? '',
        state: query.state ?? '',
        channel: query.channel ?? '',
        campaign: query.campaign ?? '',
        providerMessageId: query.providerMessageId ?? '',
        fromMs: query.from,
        toMs: query.to,
      },
      this.events.read,
    );
    return pageOf(answer.messages, messageOf, answer.nextCursor);
  }

  @Route({
    method: 'GET',
    path: `${MESSAGES}/{id}`,
    tag: 'Messages',
    summary: 'One message with every transition, and what was asked for',
    access: read,
    status: 200,
    response: messageWithCommand,
    errors: ['message.not_found'],
  })
  async get(@CallOf() call: Call) {
    const found = await this.explain.run(call.tenant.id, call.params['id']!);
    return {
      ...(found.message === undefined ? messageOfCommand(found.command) : messageOf(found.message)),
      command: found.command === undefined ? null : commandOf(found.command),
    };
  }

  @Route({
    method: 'POST',
    path: MESSAGES,
    tag: 'Messages',
    summary: 'Ask for a message to be sent; whether it may is decided just before it leaves',
    access: write,
    body: createMessage,
    isRepeatable: true,
    status: 202,
    response: command,
    errors: ['source.not_found', 'source.cannot_send', 'conversation.not_found', 'data_key.unavailable'],
  })
  async create(@CallOf() call: Call<z.infer<typeof createMessage>>) {
    const { idempotencyKey, traceparent } = call;
    const answer = await this.dispatcher.commands.createMessage(
      createRequest(call.body, { ...askedBy(call), idempotencyKey, traceparent }),
      this.dispatcher.read,
    );
    return commandOf(answer.command!);
  }

  @Route({
    method: 'POST',
    path: `${MESSAGES}/{id}/cancel`,
    tag: 'Messages',
    summary: 'Call a message back before it leaves',
    access: write,
    status: 200,
    response: command,
    errors: ['message.not_found', 'message.not_cancelable'],
  })
  async cancel(@CallOf() call: Call) {
    const answer = await this.dispatcher.commands.cancelMessage(
      { ...askedBy(call), id: call.params['id']! },
      this.dispatcher.read,
    );
    return commandOf(answer.command!);
  }

  @Route({
    method: 'POST',
    path: `${MESSAGES}/{id}/resolve`,
    tag: 'Messages',
    summary: 'Say what became of a message whose outcome nobody else can tell',
    access: write,
    body: resolveMessage,
    status: 200,
    response: command,
    errors: ['message.not_found', 'message.not_indeterminate'],
  })
  async resolve(@CallOf() call: Call<z.infer<typeof resolveMessage>>) {
    const { outcome, reason, providerMessageId = '' } = call.body;
    const answer = await this.dispatcher.commands.resolveMessage(
      { ...askedBy(call), id: call.params['id']!, outcome, reason, providerMessageId },
      this.dispatcher.read,
    );
    return commandOf(answer.command!);
  }
}
