import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { detectOptOutPhrase } from './opt-out-phrases.js';

const HIGH = [
  'please stop texting me',
  'Please STOP texting me!!!',
  'stop sending me these messages',
  'Can you stop messaging me?',
  'could you please stop emailing this address',
  'stop with the texts already',
  'Stop these messages',
  'STOP please',
  'stop it',
  'Please just stop now',
  'I said STOP',
  'ok stop thanks',
  'unsubscribe me please',
  "don't text me",
  'don’t text me anymore',
  'Do not contact me again',
  'do not message this number',
  'Never text me again.',
  'dont send me any more texts',
  'no more texts please',
  'No more of these emails!',
  'take me off your list',
  'Please remove me from the list',
  'remove my number',
  'remove my cell phone number from your system',
  'delete my number pls',
  'lose this number',
  'I want to unsubscribe',
  'how do I opt out of this',
  'opt me out',
  'I would like to opt out',
  'I asked to be removed',
  'i want to be taken off this mailing list',
  "I don't want these messages",
  "I don't want any more texts",
  "I don't want you to text me",
  'I do not wish to receive anything from you',
  'I no longer want your emails',
  'no longer wish to be contacted',
  'I revoke my consent to be texted',
  "why won't you stop texting me",
  "if you don't stop texting me I will call a lawyer",
  'I have asked you three times to stop texting me',
  'did I not tell you to stop texting me',
  "I'd appreciate it if you would stop texting me",
  'Hi. Who is this? Stop texting me.',
  'No, stop texting me',
  'no mas mensajes por favor',
  'Por favor dejen de enviarme mensajes',
  'No quiero recibir más mensajes',
  'ya no me manden sms',
  'quiero darme de baja',
  'Quítenme de la lista',
  'Arrêtez de m’envoyer des messages',
  "Arrêtez de m'écrire svp",
  'Je ne veux plus recevoir vos SMS',
  'désabonnez-moi',
  'Plus de messages svp',
  'Supprimez mon numéro',
  'Bitte keine Nachrichten mehr',
  'Schreiben Sie mir nicht mehr',
  'Ich möchte mich abmelden',
  'Hört auf mir zu schreiben',
  'Bitte löschen Sie meine Nummer',
  'Melden Sie mich bitte ab',
  'Pare de me mandar mensagens',
  'Não quero receber mensagens',
  'Remova meu número',
  'Smettetela di scrivermi',
  'Non voglio più ricevere messaggi',
  'basta messaggi',
  'Stuur mij geen berichten meer',
  'schrijf me uit',
  'Nie wysyłajcie mi więcej smsów',
  'Не пишите мне больше',
  'Отпишите меня',
  'msg mat bhejo',
  '请不要再发了',
  '配信停止してください',
  '수신거부 해주세요',
];
const LOW = [
  'leave me alone',
  'wrong number',
  'Sorry, not interested',
  'stop calling me',
  'go away',
  'This is spam',
  'déjenme en paz',
  'laissez-moi tranquille',
  'Lasst mich in Ruhe',
  'falsche Nummer',
];
const NEGATIVE = [
  '',
  ' ',
  '!!!',
  "don't stop texting me",
  "Please don't stop sending me coupons",
  'please do not stop the messages',
  'never stop messaging me',
  'I will never stop texting you lol',
  "I can't stop texting my friends",
  'The bus stop is closed',
  'I am at the bus stop',
  'please stop by our office',
  'we will stop by at 5',
  'non stop fun',
  'the rain will stop soon',
  'stopwatch',
  'full stop',
  'did you stop texting me?',
  'why did you stop texting me',
  "You didn't stop sending the coupons, right?",
  'if you stop sending me deals I will leave',
  'I do not want to unsubscribe',
  "I don't want to opt out",
  "I didn't ask how to unsubscribe, I just like them but do not want to unsubscribe",
  "I don't want to miss your messages",
  "don't want to stop messages",
  'I got no more texts from you, is it broken?',
  'I received no more messages',
  'Yes please',
  'Thank you!',
  'Cancel my appointment',
  'please cancel the 3pm',
  'please cancel',
  'I need to cancel my order',
  'When does the sale end?',
  'see you at the end',
  'I quit my job',
  'you can take my number',
  'text me when you arrive',
  'call me back',
  'can you remove the onions',
  'remove item 3 from my cart',
  'delete my last order',
  'I want more messages',
  'send me more texts',
  'please send me the emails',
  'this list is great',
  'my number is 555 0100',
  'opt in',
  'How do I subscribe?',
  'I love these messages',
  'what is your address',
  'help',
  'no',
  'No thanks, the blue one',
  'no quiero que dejen de enviarme mensajes',
  'no dejen de mandarme ofertas',
  'no quiero darme de baja',
  'más mensajes por favor',
  'La parada del autobús',
  'n’arrêtez pas de m’envoyer vos offres',
  'Je ne veux pas me désabonner',
  'arrêt de bus',
  "l'arrêt est fermé",
  'bitte nicht abmelden',
  'Ich habe keine Nachrichten mehr bekommen',
  'Warum bekomme ich keine Nachrichten mehr?',
  'Ich möchte nicht, dass Sie mich abmelden',
  'não pare de mandar ofertas',
  'não quero sair',
  'non smettete di scrivermi',
  'voglio ricevere messaggi',
  'Wanneer stopt de bus',
  'не хочу чтобы вы перестали',
  '我不想退订',
  'constructor',
  '__proto__ toString valueOf',
  'Sounds good\n> reply STOP to unsubscribe',
  'Great, thanks.\n> please stop texting me',
];

test('the tables are large enough to mean something', () => {
  expect(HIGH.length + LOW.length).toBeGreaterThanOrEqual(60);
  expect(NEGATIVE.length).toBeGreaterThanOrEqual(60);
});

test.each(HIGH)('E1 %j asks to be left out', (text) => {
  expect(detectOptOutPhrase(text)).toMatchObject({ isOptOut: true, confidence: 'high' });
});

test.each(LOW)('E1 %j may ask for it', (text) => {
  expect(detectOptOutPhrase(text)).toMatchObject({ isOptOut: true, confidence: 'low' });
});

test.each(NEGATIVE)('E1 %j does not ask for it', (text) => {
  expect(detectOptOutPhrase(text).isOptOut).toBe(false);
});

test('E1 case, accents written apart and politeness around never hide a phrase', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(
        'stop texting me',
        'arrêtez de m’écrire',
        'no más mensajes',
        'schreiben sie mir nicht mehr',
      ),
      fc.constantFrom('', 'please ', 'hello, ', 'OK! '),
      fc.constantFrom('', ' please', '!!!', '\nthanks', ', bye'),
      fc.boolean(),
      (phrase, before, after, isUpper) => {
        const text = before + phrase.normalize('NFD') + after;
        return detectOptOutPhrase(isUpper ? text.toUpperCase() : text).isOptOut;
      },
    ),
  );
});

test('E1 a phrase found is in the text', () => {
  fc.assert(
    fc.property(
      fc.shuffledSubarray('stop do not dont texting text me please no more messages why'.split(' ')),
      (words) => {
        const { isOptOut, phrase } = detectOptOutPhrase(words.join(' '));
        return !isOptOut || words.join(' ').includes(phrase);
      },
    ),
    { numRuns: 500 },
  );
});

test('no text makes it throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      expect(typeof detectOptOutPhrase(text).isOptOut).toBe('boolean');
    }),
  );
});

test('a long text costs no more than its beginning', () => {
  // Each of these words begins patterns with gaps: the worst for the matcher.
  const text = 'dont want you no more '.repeat(50_000);
  const begin = performance.now();
  for (let run = 0; run < 20; run += 1) detectOptOutPhrase(text);
  expect(performance.now() - begin).toBeLessThan(1_000);
});
