import { uuidBytes } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import { decodeContent } from '../persistence/content.codec.js';
import type { ContentRead } from '../persistence/content.read.js';
import type { ConversationRead } from '../persistence/conversation.read.js';
import type { Sealed } from '../persistence/event.read.js';
import type { MessageRead, MessageView } from '../persistence/message.read.js';
import type { OpenSealed } from './open-sealed.js';

/** Messages of a conversation that are looked at for an address. */
const MESSAGES_MAX = 20;

/** The two ends of a conversation. Addresses are in memory only. */
export interface RuleContact {
  readonly to: string;
  readonly from: string;
  readonly channel: string;
  /** UUID text. */
  readonly sourceId: string;
  /** Unix milliseconds, 0 = none. */
  readonly lastInboundAtMs: number;
}

/** Finds whom a conversation is with, from what its messages say. */
export class FindRuleContact {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly conversations: Pick<ConversationRead, 'get'>,
    private readonly messages: Pick<MessageRead, 'ofConversation'>,
    private readonly contents: Pick<ContentRead, 'ofMessages'>,
    private readonly open: Pick<OpenSealed, 'ifKept'>,
  ) {}

  /**
   * @param tenant UUID text. @param conversationId UUID text.
   * @throws AppError `conversation.not_found`; `person.not_found` when no message says (any more) whom it is with;
   * `service.unavailable` when a key cannot be asked for.
   */
  async run(tenant: string, conversationId: string): Promise<RuleContact> {
    const { conversation, messages, contents } = await this.db.tenantTransaction(tenant, async (tx) => {
      const found = await this.conversations.get(tx, tenant, conversationId);
      if (found === undefined) throw new AppError('conversation.not_found');
      const latest = await this.messages.ofConversation(tx, tenant, conversationId, MESSAGES_MAX);
      const ids = latest.map(({ messageId }) => messageId);
      return {
        conversation: found,
        messages: latest,
        contents: await this.contents.ofMessages(tx, tenant, ids),
      };
    });
    const { channel, lastInboundAtMs } = conversation;
    const isInbound = ({ direction }: MessageView): boolean => direction === 'inbound';
    // What the person sent says best where they are.
    for (const message of [...messages.filter(isInbound), ...messages.filter((one) => !isInbound(one))]) {
      const ends = await this.endsOf(tenant, message, contents.get(message.messageId));
      if (ends !== undefined) return { ...ends, channel, lastInboundAtMs, sourceId: message.sourceId };
    }
    throw new AppError('person.not_found', { detail: 'no message of the conversation has an address' });
  }

  private async endsOf(
    tenant: string,
    { direction }: MessageView,
    sealed: Sealed | undefined,
  ): Promise<{ to: string; from: string } | undefined> {
    const bytes = sealed && (await this.open.ifKept('content', uuidBytes(tenant), sealed));
    if (bytes === undefined) return undefined;
    const { from, to } = decodeContent(bytes);
    const ends = direction === 'inbound' ? { to: from, from: to } : { to, from };
    return ends.to === '' ? undefined : ends;
  }
}
