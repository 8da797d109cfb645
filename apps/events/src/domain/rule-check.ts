import type { FieldError } from '@posthorn/errors/app-error.js';
import { HANDOFF_REASONS, isHandoffReason } from './handoff.js';
import { EXPRESSION_LENGTH_MAX } from './rule-expression.js';
import { parseTemplate, PLACEHOLDERS_MAX } from './rule-template.js';
import { RULE_SCOPES, textsOf, type RuleAction, type RuleDefinition } from './rule.js';

const TYPES_MAX = 32;
const TYPE = /^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*(\.?\*)?$|^\*$/;
const NAME_LENGTH_MAX = 128;
const TEXT_LENGTH_MAX = 4_096;
const PARAMETERS_MAX = 16;
const PARAMETER_LENGTH_MAX = 512;
const TAG = /^[a-z0-9][a-z0-9_.:-]{0,63}$/;
const PRIORITY_MAX = 9;
const CATEGORIES = ['transactional', 'marketing'];
const CHANNELS = ['', 'sms', 'email', 'chat', 'push', 'all'];
/** What a rule may give as the reason; `phrase` is compliance's own. */
const REASONS = ['', 'opt_out', 'complaint', 'hard_bounce', 'soft_bounce', 'manual'];

/** Every field of a rule that is wrong, apart from what its expressions say. */
export function ruleFaults(name: string, definition: RuleDefinition): FieldError[] {
  const faults: FieldError[] = [];
  const check = (isGood: boolean, path: string, message: string): void => {
    if (!isGood) faults.push({ path, message });
  };
  const { types, expression, once, action } = definition;
  check(
    name.trim() !== '' && name.length <= NAME_LENGTH_MAX,
    'name',
    `must be 1 to ${NAME_LENGTH_MAX} characters`,
  );
  check(types.length > 0 && types.length <= TYPES_MAX, 'when.types', `must be 1 to ${TYPES_MAX}`);
  for (const type of types)
    check(TYPE.test(type) && type.length <= NAME_LENGTH_MAX, 'when.types', `${type.slice(0, 64)} is no type`);
  check(
    expression.length <= EXPRESSION_LENGTH_MAX,
    'when.expression',
    `must be at most ${EXPRESSION_LENGTH_MAX} characters`,
  );
  check(RULE_SCOPES.includes(once), 'when.once', `must be one of ${RULE_SCOPES.join(', ')}`);
  checkAction(action, check);
  return faults;
}

type Check = (isGood: boolean, path: string, message: string) => void;

function checkAction(action: RuleAction, check: Check): void {
  switch (action.kind) {
    case 'send':
      return checkSend(action, check);
    case 'handoff':
      check(isHandoffReason(action.reason), 'then.reason', `must be one of ${HANDOFF_REASONS.join(', ')}`);
      check(
        action.queue.length <= NAME_LENGTH_MAX,
        'then.queue',
        `must be at most ${NAME_LENGTH_MAX} characters`,
      );
      check(action.priority <= PRIORITY_MAX, 'then.priority', `must be at most ${PRIORITY_MAX}`);
      return;
    case 'tag':
      check(TAG.test(action.tag), 'then.tag', 'must be 1 to 64 of a-z, 0-9, _ . : -');
      return check(
        ['conversation', 'message'].includes(action.target),
        'then.target',
        'must be conversation or message',
      );
    case 'suppress':
      check(CHANNELS.includes(action.channel), 'then.channel', 'must be sms, email, chat, push or all');
      check(REASONS.includes(action.reason), 'then.reason', `must be one of${REASONS.join(' ')}`);
      check(action.scope.length <= 64, 'then.scope', 'must be at most 64 characters');
  }
}

function checkSend(action: Extract<RuleAction, { kind: 'send' }>, check: Check): void {
  const { category, text, subject, templateName, templateLanguage, templateParameters, campaign, program } =
    action;
  check(CATEGORIES.includes(category), 'then.category', 'must be transactional or marketing');
  const isAnswer = action.answers === true;
  check(
    text !== '' || templateName !== '' || isAnswer,
    'then.text',
    'a message says something, or has a template',
  );
  // Its source is the one that the person wrote to: whose carrier may have answered.
  check(!isAnswer || action.sourceId === '', 'then.sourceId', 'an answer leaves where the event came in');
  check(
    !isAnswer || category === 'transactional',
    'then.category',
    'an answer to an opt-out or HELP is transactional',
  );
  check(text.length <= TEXT_LENGTH_MAX, 'then.text', `must be at most ${TEXT_LENGTH_MAX} characters`);
  const named = { subject, templateName, templateLanguage, campaign, program };
  for (const [field, value] of Object.entries(named))
    check(value.length <= NAME_LENGTH_MAX, `then.${field}`, `must be at most ${NAME_LENGTH_MAX} characters`);
  check(
    templateParameters.length <= PARAMETERS_MAX,
    'then.templateParameters',
    `must be at most ${PARAMETERS_MAX}`,
  );
  for (const parameter of templateParameters)
    check(
      parameter.length <= PARAMETER_LENGTH_MAX,
      'then.templateParameters',
      `must be at most ${PARAMETER_LENGTH_MAX} characters`,
    );
  const placeholders = textsOf(action).flatMap((one) => parseTemplate(one).expressions);
  check(
    placeholders.length <= PLACEHOLDERS_MAX,
    'then',
    `must have at most ${PLACEHOLDERS_MAX} placeholders`,
  );
}
