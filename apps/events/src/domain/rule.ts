/** What a rule fires at most once for: an event, a message, or a state of a conversation. */
export const RULE_SCOPES = ['event', 'message', 'conversation_state'] as const;
export type RuleScope = (typeof RULE_SCOPES)[number];

/** A message to the person of the event's conversation. Missing texts are empty. */
export interface SendAction {
  readonly kind: 'send';
  /** 16 bytes as a UUID text; empty = the source that the conversation came through. */
  readonly sourceId: string;
  readonly category: string;
  readonly text: string;
  readonly subject: string;
  readonly templateName: string;
  readonly templateLanguage: string;
  readonly templateParameters: readonly string[];
  readonly campaign: string;
  readonly program: string;
  /** It answers the opt-out or HELP that triggered the rule; absent = no. */
  readonly answers?: boolean;
}
export interface HandoffAction {
  readonly kind: 'handoff';
  readonly reason: string;
  readonly queue: string;
  readonly priority: number;
}
export interface TagAction {
  readonly kind: 'tag';
  readonly tag: string;
  readonly target: 'conversation' | 'message';
}
/** Empty channel, scope and reason stand for all, all and manual. */
export interface SuppressAction {
  readonly kind: 'suppress';
  readonly channel: string;
  readonly scope: string;
  readonly reason: string;
}
export type RuleAction = SendAction | HandoffAction | TagAction | SuppressAction;

/** One version of a rule; stored as JSON: fields are only added. */
export interface RuleDefinition {
  readonly types: readonly string[];
  /** CEL; empty = always. */
  readonly expression: string;
  readonly once: RuleScope;
  readonly action: RuleAction;
}

/** A version of a rule that is in force. IDs are 16 bytes. */
export interface RuleVersion {
  readonly tenantId: Buffer;
  readonly ruleId: Buffer;
  readonly version: number;
  /** Events that were stored before are none of its business. */
  readonly effectiveAtMs: number;
  readonly definition: RuleDefinition;
}

export const RULES_PER_TENANT_MAX = 50;

/** What can be answered although the person opted out. */
export const ANSWERED_SIGNALS = ['opt_out', 'help'] as const;
export type AnsweredSignal = (typeof ANSWERED_SIGNALS)[number];

/** Whether a rule's message answers what triggered it. */
export const isAnswer = (action: RuleAction): boolean => action.kind === 'send' && action.answers === true;

export const answeredSignalOf = (signal: string): AnsweredSignal | undefined =>
  ANSWERED_SIGNALS.find((one) => one === signal);

/** The texts of an action that may hold placeholders, in the order of their values. */
export const textsOf = (action: RuleAction): readonly string[] =>
  action.kind === 'send' ? [action.text, action.subject, ...action.templateParameters] : [];

/** Whether a type is one of those; `*` at the end of one stands for any end. */
export const isTypeOf = (types: readonly string[], type: string): boolean =>
  types.some((known) => (known.endsWith('*') ? type.startsWith(known.slice(0, -1)) : known === type));
