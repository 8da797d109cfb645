import { formatId, idOfUuid, parseId, uuidText } from '@posthorn/clock/id.js';
import {
  type DryRunRuleResponse,
  type Rule,
  type RuleEffect,
  type RuleThen,
  type RuleWhen,
  type TimelineEntry,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type DryRunReport } from '../application/dry-run-rule.js';
import { type RuleAction, type RuleDefinition, type RuleScope } from '../domain/rule.js';
import { type RuleView } from '../persistence/rule.read.js';
import { type EffectView } from '../persistence/rule-effect.read.js';
import { publicId } from './event-query.dto.js';

/** @throws AppError `rule.not_found` */
export function ruleUuidOf(id: string): string {
  const bytes = parseId('rul', id);
  if (bytes === undefined) throw new AppError('rule.not_found');
  return uuidText(bytes);
}

/** The fields are judged with the rule. @throws AppError `request.invalid` when it is missing. */
export function whenOf(when: RuleWhen | undefined): Pick<RuleDefinition, 'types' | 'expression' | 'once'> {
  if (when === undefined) throw invalid('when', 'must be given');
  const { types, expression, once } = when;
  return { types, expression: expression.trim(), once: (once === '' ? 'event' : once) as RuleScope };
}

/** @throws AppError `request.invalid` when there is none, or its source is no ID. */
export function actionOf(then: RuleThen | undefined): RuleAction {
  const action = then?.action;
  switch (action?.$case) {
    case 'send':
      return { kind: 'send', ...action.value, sourceId: sourceUuidOf(action.value.sourceId) };
    case 'handoff':
      return { kind: 'handoff', ...action.value };
    case 'tag':
      return {
        kind: 'tag',
        tag: action.value.tag,
        target: action.value.target as 'conversation' | 'message',
      };
    case 'suppress':
      return { kind: 'suppress', ...action.value };
    default:
      throw invalid('then.action', 'must be send, handoff, tag or suppress');
  }
}

function sourceUuidOf(id: string): string {
  const bytes = id === '' ? undefined : parseId('src', id);
  if (id !== '' && bytes === undefined) throw invalid('then.sourceId', 'must be a src_… ID');
  return bytes === undefined ? '' : uuidText(bytes);
}

export function ruleMessageOf(view: RuleView): Rule {
  const { types, expression, once, action } = view.definition;
  return {
    ...view,
    id: idOfUuid('rul', view.ruleId),
    enabled: view.isEnabled,
    when: { types: [...types], expression, once },
    then: thenOf(action),
  };
}

function thenOf(action: RuleAction): RuleThen {
  switch (action.kind) {
    case 'send': {
      const { sourceId, templateParameters } = action;
      const value = {
        ...action,
        sourceId: sourceId === '' ? '' : idOfUuid('src', sourceId),
        answers: action.answers ?? false,
        templateParameters: [...templateParameters],
      };
      return { action: { $case: 'send', value } };
    }
    case 'handoff':
      return { action: { $case: 'handoff', value: action } };
    case 'tag':
      return { action: { $case: 'tag', value: action } };
    case 'suppress':
      return { action: { $case: 'suppress', value: action } };
  }
}

export const effectMessageOf = (view: EffectView): RuleEffect => ({
  ...view,
  id: view.effectId,
  ruleId: idOfUuid('rul', view.ruleId),
  triggerEventId: idOfUuid('evt', view.triggerEventId),
  conversationId: publicId('cnv', view.conversationId),
  messageId: publicId('msg', view.messageId),
});

export const dryRunMessageOf = (report: DryRunReport): DryRunRuleResponse => ({
  ...report,
  samples: report.samples.map(({ eventId, ...sample }) => ({ ...sample, eventId: formatId('evt', eventId) })),
});

/** What a rule did, in the timeline of the event that triggered it. */
export function ruleEntryOf(view: EffectView): TimelineEntry {
  const { action, state, result, errorCode, detail } = view;
  const end = [state, result, errorCode, detail].filter((text) => text !== '').join(' ');
  return {
    atMs: view.firedAtMs,
    stage: 'rule',
    detail: `${idOfUuid('rul', view.ruleId)} version ${view.ruleVersion}: ${action}, ${end}`,
    factId: '',
    messageId: publicId('msg', view.messageId),
    fromState: '',
    toState: state,
    effect: action,
    conversationId: publicId('cnv', view.conversationId),
  };
}

const invalid = (path: string, message: string): AppError =>
  new AppError('request.invalid', { fields: [{ path, message }] });
