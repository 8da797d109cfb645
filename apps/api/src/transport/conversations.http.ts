import { Controller } from '@nestjs/common';
import { parseId } from '@posthorn/clock/id.js';
import { type z } from 'zod';
import { EventsClient } from '../clients/events.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf } from './applied.js';
import {
  accept,
  claim,
  close,
  closed,
  contextJsonOf,
  conversation,
  conversationDetail,
  conversationOf,
  conversationsQuery,
  createHandoff,
  handoff,
  handoffOf,
  handoffPackage,
  handoffQuery,
  queueQuery,
  release,
} from './conversations.dto.js';
import { messageOf } from './messages.dto.js';
import { Answer, type Call, CallOf, Route } from './route.js';
import { listOf, pageOf } from './shapes.dto.js';

const BASE = '/v1/tenants/{tenant}/conversations';
const read = { principal: 'tenant', scope: 'conversations:read' } as const;
const write = { principal: 'tenant', scope: 'conversations:write' } as const;
const NO_HASH = Buffer.alloc(0);

/** Conversations, and their hand-over from a bot to people and back. */
@Controller()
export class ConversationsController {
  constructor(
    private readonly events: EventsClient,
    private readonly tenants: TenantsClient,
  ) {}

  @Route({
    method: 'GET',
    path: BASE,
    tag: 'Conversations',
    summary: 'List conversations, newest first',
    access: read,
    query: conversationsQuery,
    status: 200,
    response: listOf(conversation),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof conversationsQuery>>) {
    const answer = await this.events.conversations.listConversations(
      {
        ...{ tenantId: tenant.id, limit: query.limit, cursor: query.cursor ?? '' },
        ...{ state: query.state ?? '', channel: query.channel ?? '', campaign: query.campaign ?? '' },
        personHash: query.personId === undefined ? NO_HASH : parseId('per', query.personId)!,
        ...{ fromMs: query.from, toMs: query.to },
      },
      this.events.read,
    );
    return pageOf(answer.conversations, conversationOf, answer.nextCursor);
  }

  @Route({
    method: 'GET',
    path: `${BASE}/{id}`,
    tag: 'Conversations',
    summary: 'One conversation with its newest messages, and the hand-off that is open',
    access: read,
    status: 200,
    response: conversationDetail,
    errors: ['conversation.not_found'],
  })
  async get(@CallOf() call: Call) {
    const answer = await this.events.conversations.getConversation(
      { tenantId: call.tenant.id, id: call.params['id']! },
      this.events.read,
    );
    return {
      ...conversationOf(answer.conversation!),
      messages: answer.messages.map(messageOf),
      handoff: answer.handoff === undefined ? null : handoffOf(answer.handoff),
    };
  }

  @Route({
    method: 'GET',
    path: `${BASE}/{id}/handoff`,
    tag: 'Conversations',
    summary: 'The context package of the latest hand-off: history with texts, intent, sentiment, decisions',
    access: { principal: 'tenant', scope: 'payloads:read' },
    query: handoffQuery,
    status: 200,
    response: handoffPackage,
    errors: ['handoff.not_found', 'data_key.not_found'],
  })
  async package(@CallOf() call: Call<unknown, z.infer<typeof handoffQuery>>) {
    const [tenantId, conversationId] = [call.tenant.id, call.params['id']!];
    const answer = await this.events.conversations.getHandoff(
      { tenantId, id: '', conversationId, historyLimit: call.query.historyLimit },
      this.events.read,
    );
    await this.tenants.recordAccess(actorOf(call), tenantId, 'handoff.read', conversationId);
    return {
      handoff: handoffOf(answer.handoff!),
      package: JSON.parse(answer.packageJson) as Record<string, unknown>,
      flat: JSON.parse(answer.flatJson) as Record<string, unknown>,
    };
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/handoff`,
    tag: 'Conversations',
    summary: 'Ask for a person; a conversation whose hand-off is open keeps that one, answered with 200',
    access: write,
    body: createHandoff,
    status: 201,
    response: handoff,
    errors: ['conversation.not_found', 'data_key.unavailable'],
  })
  async create(@CallOf() call: Call<z.infer<typeof createHandoff>>) {
    const { reason, queue, priority, key } = call.body;
    const answer = await this.events.handoffs.createHandoff(
      { ...actOf(call), reason, queue, priority, key, contextJson: contextJsonOf(call.body) },
      this.events.act,
    );
    return new Answer(answer.isNew ? 201 : 200, handoffOf(answer.handoff!));
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/claim`,
    tag: 'Conversations',
    summary: 'Take a conversation that waits; the answer has the token that its owner acts and sends with',
    access: write,
    body: claim,
    status: 200,
    response: handoff,
    errors: ['conversation.not_found', 'handoff.not_claimable'],
  })
  async claim(@CallOf() call: Call<z.infer<typeof claim>>) {
    const answer = await this.events.handoffs.claimConversation(
      { ...actOf(call), ...call.body },
      this.events.act,
    );
    return handoffOf(answer.handoff!);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/accept`,
    tag: 'Conversations',
    summary: 'Accept an offered conversation before its time runs out',
    access: write,
    body: accept,
    status: 200,
    response: handoff,
    errors: ['conversation.not_found', 'handoff.not_found', 'handoff.token_mismatch'],
  })
  async accept(@CallOf() call: Call<z.infer<typeof accept>>) {
    const { fencingToken, note } = call.body;
    const answer = await this.events.handoffs.acceptHandoff(
      { ...actOf(call), fencingToken: BigInt(fencingToken), note },
      this.events.act,
    );
    return handoffOf(answer.handoff!);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/release`,
    tag: 'Conversations',
    summary: 'Give a conversation back, to the queue or to the bot',
    access: write,
    body: release,
    status: 200,
    response: handoff,
    errors: ['conversation.not_found', 'handoff.not_found', 'handoff.token_mismatch'],
  })
  async release(@CallOf() call: Call<z.infer<typeof release>>) {
    const { fencingToken, to, note } = call.body;
    const answer = await this.events.handoffs.releaseConversation(
      { ...actOf(call), fencingToken: BigInt(fencingToken), to, note },
      this.events.act,
    );
    return handoffOf(answer.handoff!);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/close`,
    tag: 'Conversations',
    summary: 'Close a conversation; a claimed one needs the token of its owner',
    access: write,
    body: close,
    status: 200,
    response: closed,
    errors: ['conversation.not_found', 'handoff.token_mismatch'],
  })
  async close(@CallOf() call: Call<z.infer<typeof close>>) {
    const { fencingToken, note } = call.body;
    const answer = await this.events.handoffs.closeConversation(
      { ...actOf(call), fencingToken: BigInt(fencingToken ?? 0), note },
      this.events.act,
    );
    return { handoff: answer.handoff === undefined ? null : handoffOf(answer.handoff) };
  }

  @Route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/agent-queue',
    tag: 'Conversations',
    summary: 'Hand-offs that wait for a person, oldest first',
    access: read,
    query: queueQuery,
    status: 200,
    response: listOf(handoff),
  })
  async queue(@CallOf() { tenant, query }: Call<unknown, z.infer<typeof queueQuery>>) {
    const answer = await this.events.conversations.listAgentQueue(
      { tenantId: tenant.id, limit: query.limit, cursor: query.cursor ?? '', queue: query.queue ?? '' },
      this.events.read,
    );
    return pageOf(answer.handoffs, handoffOf, answer.nextCursor);
  }
}

const actOf = (call: Call<unknown>) => ({
  tenantId: call.tenant.id,
  conversationId: call.params['id']!,
  actor: call.principal.keyId,
  principal: actorOf(call),
  traceparent: call.traceparent,
});
