import { formatId, idOfUuid, uuidBytes, uuidTimeMs } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { ComplianceClient, Recipient } from '../clients/compliance.client.js';
import {
  customerAddress,
  handoffPackage,
  type HistoryMessage,
  type PackageParts,
  type Standing,
} from '../domain/handoff-package.js';
import type { Handoff } from '../domain/handoff.js';
import { decodeContent } from '../persistence/content.codec.js';
import type { ContentRead } from '../persistence/content.read.js';
import type { ConversationRead } from '../persistence/conversation.read.js';
import type { Sealed } from '../persistence/event.read.js';
import type { HandoffStepStore } from '../persistence/handoff-step.store.js';
import type { MessageRead, MessageView } from '../persistence/message.read.js';
import type { OpenSealed } from './open-sealed.js';

const HISTORY_DEFAULT = 10;
const HISTORY_MAX = 50;

/** A hand-off and what whoever takes it should know. */
export interface ComposedHandoff {
  readonly handoff: Handoff;
  readonly full: string;
  readonly flat: string;
}

/** Puts the context package of a hand-off together: from state, and from what is kept encrypted. */
export class ComposePackage {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly conversations: ConversationRead,
    private readonly messages: MessageRead,
    private readonly contents: ContentRead,
    private readonly steps: Pick<HandoffStepStore, 'claims'>,
    private readonly open: OpenSealed,
    private readonly compliance: Pick<ComplianceClient, 'standing'>,
  ) {}

  /**
   * @param tenant UUID text. @param of the hand-off's ID, or a conversation's for its latest.
   * @param historyLimit messages in full; 0 = 10, 50 at most. @param bytesMax see `handoffPackage`.
   * @throws AppError `handoff.not_found`, `request.invalid`, `service.unavailable` when a key cannot be asked for.
   */
  async run(
    tenant: string,
    of: { readonly handoffId?: string; readonly conversationId?: string },
    historyLimit: number,
    bytesMax?: number,
  ): Promise<ComposedHandoff> {
    if (historyLimit > HISTORY_MAX)
      throw new AppError('request.invalid', {
        fields: [{ path: 'historyLimit', message: `must be at most ${HISTORY_MAX}` }],
      });
    const found = await this.read(tenant, of, historyLimit || HISTORY_DEFAULT);
    const { handoff, conversation, messages, texts, asked, priorClaims } = found;
    const tenantId = uuidBytes(tenant);
    const history: HistoryMessage[] = [];
    for (const message of messages)
      history.push(await this.historyOf(tenantId, message, texts.get(message.messageId)));
    const parts: Omit<PackageParts, 'standing'> = {
      ...handoff,
      tenantId: formatId('ten', tenantId),
      conversationId: idOfUuid('cnv', handoff.conversationId),
      handoffId: idOfUuid('evt', handoff.handoffId),
      channel: conversation?.channel ?? '',
      provider: found.provider,
      personId: conversation?.personHash === undefined ? '' : formatId('per', conversation.personHash),
      campaign: conversation?.campaign ?? '',
      messageCount: (conversation?.inboundCount ?? 0) + (conversation?.outboundCount ?? 0),
      lastInboundAtMs: conversation?.lastInboundAtMs ?? 0,
      isOptedOut: conversation?.isOptedOut ?? false,
      priorClaims,
      history,
      context: await this.contextOf(tenantId, asked),
    };
    const { personId, channel, provider, lastInboundAtMs } = parts;
    const standing = await this.standingOf({
      ...{ tenantId: parts.tenantId, personId, channel, provider, lastInboundAtMs },
      address: customerAddress(parts),
    });
    return { handoff, ...handoffPackage({ ...parts, standing }, bytesMax) };
  }

  private read(tenant: string, of: { handoffId?: string; conversationId?: string }, limit: number) {
    return this.db.tenantTransaction(tenant, async (tx) => {
      const handoff = await this.conversations.handoff(tx, tenant, of);
      if (handoff === undefined) throw new AppError('handoff.not_found');
      const { conversationId, handoffId } = handoff;
      const [conversation, messages, [asked], priorClaims] = await Promise.all([
        this.conversations.get(tx, tenant, conversationId),
        this.messages.ofConversation(tx, tenant, conversationId, limit),
        this.contents.contents(tx, tenant, [handoffId]),
        this.steps.claims(tx, tenant, handoffId),
      ]);
      const ids = messages.map(({ messageId }) => messageId);
      const texts = await this.contents.ofMessages(tx, tenant, ids);
      const inbound = messages.find(({ direction }) => direction === 'inbound');
      const provider =
        inbound === undefined ? '' : await this.messages.providerOf(tx, tenant, inbound.messageId);
      return { handoff, conversation, messages, texts, asked, priorClaims, provider };
    });
  }

  /** A hand-off is not held up by it: each send asks again anyway. */
  private async standingOf(recipient: Recipient): Promise<Standing | undefined> {
    if (recipient.personId === '' || recipient.channel === '') return undefined;
    try {
      return await this.compliance.standing(recipient);
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }

  private async historyOf(
    tenantId: Buffer,
    message: MessageView,
    sealed: Sealed | undefined,
  ): Promise<HistoryMessage> {
    const bytes = sealed && (await this.open.ifKept('content', tenantId, sealed));
    const { messageId, direction, state, campaign, replyToMessageId } = message;
    return {
      id: idOfUuid('msg', messageId),
      direction,
      state,
      atMs: uuidTimeMs(uuidBytes(messageId)),
      campaign,
      replyTo: replyToMessageId === undefined ? '' : idOfUuid('msg', replyToMessageId),
      content: bytes && decodeContent(bytes),
    };
  }

  /** What the bot sent is its own affair: what cannot be read as an object says nothing. */
  private async contextOf(tenantId: Buffer, sealed: Sealed | undefined): Promise<Record<string, unknown>> {
    const bytes = sealed && (await this.open.ifKept('content', tenantId, sealed));
    if (bytes === undefined) return {};
    try {
      const value: unknown = JSON.parse(decodeContent(bytes).text);
      return typeof value === 'object' && value !== null && !Array.isArray(value)
        ? (value as Record<string, unknown>)
        : {};
    } catch {
      return {};
    }
  }
}
