import { formatId, idOfUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { auditActor } from '@posthorn/postgres/audit-outgoing.js';
import type { ComplianceClient } from '../clients/compliance.client.js';
import type { DispatcherClient } from '../clients/dispatcher.client.js';
import { fillTemplate, parseTemplate } from '../domain/rule-template.js';
import {
  answeredSignalOf,
  isAnswer,
  textsOf,
  type HandoffAction,
  type SendAction,
  type SuppressAction,
  type TagAction,
} from '../domain/rule.js';
import type { DueEffect } from '../persistence/rule-effect.store.js';
import type { CreateHandoff } from './create-handoff.js';
import type { FindRuleContact } from './find-rule-contact.js';

/** What is left to do in the transaction that ends an effect. */
export interface Performed {
  /** The ID of what it made, or the tag. */
  readonly result: string;
  readonly tag?: {
    readonly target: 'conversation' | 'message';
    readonly targetId: string;
    readonly tag: string;
  };
}

/**
 * Does what a rule fired. Done twice it is the same as once: whoever does it knows the effect by its key.
 */
export class PerformRuleEffect {
  constructor(
    private readonly contacts: Pick<FindRuleContact, 'run'>,
    private readonly dispatcher: Pick<DispatcherClient, 'createMessage'>,
    private readonly compliance: Pick<ComplianceClient, 'suppress' | 'answerText'>,
    private readonly handoffs: Pick<CreateHandoff, 'run'>,
  ) {}

  /**
   * @param validUntilMs when it is too late for a message.
   * @throws AppError whatever the service says that does it.
   */
  async run(effect: DueEffect, validUntilMs: number): Promise<Performed> {
    const { action } = effect;
    switch (action.kind) {
      case 'send':
        return { result: await this.send(effect, action, validUntilMs) };
      case 'handoff':
        return { result: await this.handOver(effect, action) };
      case 'suppress':
        return { result: await this.suppress(effect, action) };
      case 'tag':
        return { result: action.tag, tag: tagOf(effect, action) };
    }
  }

  private async send(effect: DueEffect, action: SendAction, notAfterMs: number): Promise<string> {
    const conversationId = needed(effect.conversationId);
    const contact = await this.contacts.run(effect.tenantId, conversationId);
    const [own, subject, ...parameters] = filledTexts(action, effect.values);
    const { templateName: name, templateLanguage: language, category, campaign, program } = action;
    const answersEventId = isAnswer(action) ? idOfUuid('evt', effect.triggerEventId) : '';
    const text = own === '' && name === '' ? await this.answerText(effect) : own!;
    const sourceId = action.sourceId === '' ? contact.sourceId : action.sourceId;
    return this.dispatcher.createMessage({
      ...idsOf(effect),
      triggerEventId: idOfUuid('evt', effect.triggerEventId),
      conversationId: idOfUuid('cnv', conversationId),
      sourceId: idOfUuid('src', sourceId),
      to: contact.to,
      // Another source has other addresses.
      from: sourceId === contact.sourceId ? contact.from : '',
      channel: contact.channel,
      ...{ category, text, subject: subject!, campaign, program, notAfterMs, answersEventId },
      template: name === '' ? undefined : { name, language, parameters },
      lastInboundAtMs: contact.lastInboundAtMs,
    });
  }

  /** What the tenant's policy says, where the rule says nothing of its own. */
  private async answerText({ tenantId, values }: DueEffect): Promise<string> {
    const signal = needed(answeredSignalOf(values.at(-1) ?? ''));
    const text = await this.compliance.answerText(idOfUuid('ten', tenantId), signal);
    if (text === '')
      throw new AppError('request.invalid', {
        detail: 'the policy names no program and contact to answer with',
      });
    return text;
  }

  private async handOver(effect: DueEffect, { reason, queue, priority }: HandoffAction): Promise<string> {
    const { ruleId, traceparent } = idsOf(effect);
    const { tenantId, effectId, ruleVersion, triggerEventId } = effect;
    const decision = { rule: ruleId, version: ruleVersion, event: idOfUuid('evt', triggerEventId) };
    const { handoff } = await this.handoffs.run({
      tenantId,
      conversationId: needed(effect.conversationId),
      actor: ruleId,
      by: auditActor(undefined, ruleId),
      key: effectId,
      ...{ reason, queue, priority, traceparent },
      contextJson: JSON.stringify({ decisions: [decision] }),
    });
    return idOfUuid('evt', handoff.handoffId);
  }

  private suppress(effect: DueEffect, { channel, scope, reason }: SuppressAction): Promise<string> {
    const personId = formatId('per', needed(effect.personHash));
    return this.compliance.suppress({ ...idsOf(effect), personId, channel, scope, reason });
  }
}

const idsOf = ({ tenantId, ruleId, traceparent }: DueEffect) => ({
  tenantId: idOfUuid('ten', tenantId),
  ruleId: idOfUuid('rul', ruleId),
  traceparent,
});

const tagOf = ({ conversationId, messageId }: DueEffect, { target, tag }: TagAction) => ({
  ...{ target, tag },
  targetId: needed(target === 'message' ? messageId : conversationId),
});

/** The action's texts with the values that its placeholders had when it fired. */
function filledTexts(action: SendAction, values: readonly string[]): string[] {
  let at = 0;
  return textsOf(action).map((text) => {
    const template = parseTemplate(text);
    const from = at;
    at += template.expressions.length;
    return fillTemplate(template, values.slice(from, at));
  });
}

/** A rule does not fire without what its action needs. */
function needed<T>(value: T | undefined): T {
  if (value === undefined)
    throw new AppError('internal.error', { detail: 'the effect lacks what it acts on' });
  return value;
}
