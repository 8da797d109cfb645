/**
 * The phrases of one language, folded: lower case, no accents, no apostrophes. `/` separates alternatives of a word,
 * `*` stands for up to two words. The sets are words that stand before a phrase.
 */
export interface PhraseLanguage {
  /** Says it in so many words. */
  readonly high: readonly string[];
  /** Wants to be left alone, or means something else. */
  readonly low: readonly string[];
  /** Turn it round: "do not stop texting". */
  readonly negations: ReadonlySet<string>;
  /** Make it a condition: "if you stop texting". */
  readonly conditions: ReadonlySet<string>;
  /** Make a condition polite: "it would be nice if you stop texting". */
  readonly softeners: ReadonlySet<string>;
  /** Make a negation a reproach: "why won't you stop texting". */
  readonly reproaches: ReadonlySet<string>;
  /** Make it a demand whatever else is there: "did I not tell you to stop texting". */
  readonly demands: ReadonlySet<string>;
  /** Make it a report or a question about what was: "did you stop texting". */
  readonly reports: ReadonlySet<string>;
  /** In a gap, these want the opposite: "don't want to miss messages". */
  readonly keeps: ReadonlySet<string>;
}

const set = (words = ''): ReadonlySet<string> => new Set(words.split(' ').filter(Boolean));

type WordSets = 'negations' | 'conditions' | 'softeners' | 'reproaches' | 'demands' | 'reports' | 'keeps';
const language = (
  high: readonly string[],
  low: readonly string[],
  words: Partial<Record<WordSets, string>>,
): PhraseLanguage => ({
  high,
  low,
  negations: set(words.negations),
  conditions: set(words.conditions),
  softeners: set(words.softeners),
  reproaches: set(words.reproaches),
  demands: set(words.demands),
  reports: set(words.reports),
  keeps: set(words.keeps),
});

const EN_ING = 'texting/messaging/contacting/emailing/spamming/bothering/harassing/mailing/writing/sending';
const EN_DO = 'text/message/contact/email/spam/bother/write/mail/msg';
const EN_THINGS =
  'texts/text/messages/message/emails/mails/msgs/sms/alerts/notifications/spam/ads/promotions';
const EN_LIST = 'list/lists/database/system/contacts';

const ENGLISH = language(
  [
    `stop/quit/cease ${EN_ING}`,
    `stop/quit/cease the/these/those/your/all/with ${EN_THINGS}`,
    `stop/quit with the/these/those/your/all ${EN_THINGS}`,
    `enough with the/these/your ${EN_THINGS}`,
    `stop/end/cancel ${EN_THINGS}`,
    `dont ${EN_DO} me/us/my/this/again/anymore`,
    `do not ${EN_DO} me/us/my/this/again/anymore`,
    `never ${EN_DO} me/us/my/this again`,
    `never ${EN_DO} again`,
    `dont/never send * ${EN_THINGS}`,
    `dont/never send me/us * ${EN_THINGS}`,
    `do not send * ${EN_THINGS}`,
    'dont/never send me/us anything',
    'do not send me/us anything',
    `no more ${EN_THINGS}`,
    `no more of these/your/those ${EN_THINGS}`,
    'take/get me/us off',
    'take/get this/my number/email/name/phone off',
    'remove me/us',
    'remove my/this * number/email/name/address/phone',
    'delete/lose/erase my * number',
    'lose this number',
    'unsubscribe me/us/my/this/from',
    'to unsubscribe',
    'opt me/us out',
    'to opt out',
    'opt out of',
    'opting out',
    'want/like/need/asked/ask to be removed/unsubscribed',
    `to be removed/taken/deleted * ${EN_LIST}`,
    `off your/the/this * ${EN_LIST}`,
    `dont want/need * ${EN_THINGS}`,
    `do not want/need * ${EN_THINGS}`,
    `dont want you * ${EN_DO}`,
    `do not want you * ${EN_DO}`,
    'dont want/wish to receive/hear * from',
    'do not want/wish to receive/hear * from',
    `dont want/wish to get/receive * ${EN_THINGS}`,
    `do not want/wish to get/receive * ${EN_THINGS}`,
    'dont want/wish to be contacted/texted/messaged/emailed',
    'do not want/wish to be contacted/texted/messaged/emailed',
    `no longer want/wish * ${EN_THINGS}`,
    'no longer want/wish to receive/hear/be',
    'revoke my consent/permission',
    'withdraw my consent/permission',
    'cancel my text/sms/email/message subscription',
  ],
  [
    'leave me/us alone',
    'go away',
    'not interested',
    'wrong number/person',
    'fuck/piss/bugger off',
    'this is spam/harassment',
    'reporting this/you',
    'reported as spam',
    'stop calling',
    'do not contact',
    'told you to stop',
    'blocking you/this',
    'cancel my subscription',
  ],
  {
    negations: 'dont not never didnt wont wouldnt cant cannot couldnt shouldnt doesnt isnt',
    conditions: 'if',
    softeners: 'would could appreciate like prefer great nice glad thankful',
    reproaches: 'why',
    demands: 'told tell telling asked asking said begged',
    reports: 'did got received getting',
    keeps: 'miss lose stop quit end cancel unsubscribe opt block',
  },
);

const ES_THINGS = 'mensajes/mensaje/sms/correos/correo/emails/textos/publicidad/promociones/whatsapps';

const SPANISH = language(
  [
    `no mas ${ES_THINGS}`,
    `no quiero * ${ES_THINGS}`,
    'no quiero/deseo * recibir/recibirlos',
    'ya no quiero/deseo * recibir',
    'no me envie/envien/envies/mande/manden/mandes/escriba/escriban/escribas/contacten/molesten/molestes',
    'no me vuelvan/vuelvas/vuelva a enviar/mandar/escribir/contactar',
    'ya no me envien/manden/escriban/molesten',
    'deja/deje/dejen/dejad/para/pare/paren de enviar/enviarme/mandar/mandarme/escribir/escribirme/contactarme/molestar/molestarme',
    'deja/deje/dejen/paren de * mensajes',
    'dame/deme/denme/darme/darse de baja',
    'quitame/quitenme/quiteme/saquenme/sacame/eliminenme/borrenme/borrame de',
    'borra/borren/borre/elimina/eliminen/elimine/quiten mi numero/correo/telefono',
    'cancelar/cancelen/cancela mi suscripcion',
  ],
  ['dejame/dejenme en paz', 'no me interesa', 'numero equivocado'],
  {
    negations: 'no nao nunca',
    keeps: 'dejar perder perderme dejen dejes parar',
    reports: 'si',
    softeners: 'gustaria',
  },
);

const FR_THINGS = 'messages/message/sms/textos/mails/emails/pub/publicite/publicites/promos/notifications';

const FRENCH = language(
  [
    'arretez/arrete/cessez/stop de m envoyer/ecrire/contacter/spammer/harceler',
    'arretez/arrete/cessez de me contacter/spammer/harceler/deranger/solliciter/texter',
    `arretez/arrete/cessez/stop vos/les/ces/tes ${FR_THINGS}`,
    `arretez/arrete/cessez d envoyer`,
    'ne m envoyez/envoie/ecrivez/ecris plus',
    'ne me contactez/contacte/derangez/sollicitez plus',
    `plus de ${FR_THINGS}`,
    'ne veux/souhaite/desire plus * recevoir/recois/etre',
    'veux/souhaite/desire plus recevoir/etre',
    'ne plus recevoir/etre',
    'desabonnez/desabonne/desinscrivez/desinscris moi',
    'me desabonner/desinscrire',
    'retirez/retire/supprimez/enlevez/effacez moi',
    'retirez/supprimez/enlevez/effacez mon numero/adresse/nom/email',
  ],
  ['laissez/laisse moi tranquille', 'pas interesse/interessee', 'mauvais/faux numero'],
  { negations: 'n pas jamais', keeps: 'rater manquer', demands: 'demande dit' },
);

const DE_THINGS = 'nachrichten/nachricht/sms/mails/emails/werbung/newsletter/texte/whatsapps';

const GERMAN = language(
  [
    `keine/keinerlei ${DE_THINGS} mehr`,
    `keine weiteren/weitere/mehr ${DE_THINGS}`,
    `mochte/will/mochten/wollen keine * ${DE_THINGS}`,
    'schreib/schreibt/schreiben/kontaktieren/kontaktiert * nicht mehr/wieder',
    'schicken/schickt/schick/senden/sendet * nichts/keine',
    'nicht mehr/weiter schreiben/kontaktieren/anschreiben/belastigen',
    'nie wieder/mehr schreiben/kontaktieren/anschreiben',
    'hort/hor/horen/hoeren/hoert * auf * schreiben/schicken/senden/nerven',
    `hort/hor/horen/hoeren/hoert * auf mit`,
    'melden/tragen sie mich/uns * ab/aus',
    'melden/meldet/meld/tragen/tragt/trag mich/uns * ab/aus',
    'mich/uns * abmelden/austragen/abbestellen/abzumelden',
    `${DE_THINGS} * abbestellen/stoppen`,
    'streichen/streicht/nehmen/nehmt/loschen/entfernen/entfernt mich/uns * von/aus',
    'loschen/loscht/losch/entfernen sie/meine * nummer/adresse/daten',
    'loscht/losch/entferne/entfernt meine nummer/adresse/daten',
    'widerrufe * einwilligung',
  ],
  ['lasst/lass/lassen mich/uns * ruhe', 'kein interesse', 'falsche nummer'],
  {
    negations: 'nicht nie',
    reports: 'habe hab bekomme bekam warum wieso weshalb',
    keeps: 'verpassen verlieren',
  },
);

const PORTUGUESE = language(
  [
    'pare/parem/para de enviar/mandar/me/escrever/incomodar',
    'nao me mande/mandem/envie/enviem/escreva/escrevam/perturbe/incomode',
    'nao quero * receber/mensagens/mensagem/sms/emails',
    'me tire/tirem/remova/removam/descadastre/descadastrem/exclua da/do/dessa/desta/por/agora',
    'remova/remove/removam/apague/exclua meu numero/email/contato',
    'quero/gostaria * descadastrar/sair',
    'cancelar minha inscricao',
    'chega/sem mais de/mensagens mensagens/spam',
  ],
  ['me deixe/deixem em paz', 'nao tenho interesse', 'numero errado'],
  { negations: 'nao no nunca', keeps: 'perder deixar parar' },
);

const ITALIAN = language(
  [
    'smettete/smettetela/smetti/smettila/smetta di scrivermi/mandarmi/inviarmi/contattarmi/disturbarmi/inviare/mandare',
    'non scrivetemi/scrivermi/mandatemi/mandarmi/inviatemi/inviarmi/contattatemi/contattarmi piu',
    'non mi scrivete/scrivere/mandate/inviate/contattate piu',
    'non voglio/desidero * ricevere/messaggi/sms',
    'basta messaggi/sms/email/pubblicita/spam',
    'cancellatemi/cancellami/toglietemi/toglimi/rimuovetemi/rimuovimi/disiscrivetemi/disiscrivimi',
    'voglio/vorrei * disiscrivermi/cancellarmi',
    'cancellate/cancella/rimuovete/eliminate il mio numero',
  ],
  ['lasciatemi/lasciami in pace', 'non mi interessa', 'numero sbagliato'],
  { negations: 'non mai', keeps: 'perdere smettere' },
);

const DUTCH = language(
  [
    'stop met berichten/sms/mailen/sturen/appen/spammen/schrijven',
    'geen berichten/sms/mails/reclame/appjes meer',
    'stuur/sturen/mail/app/schrijf/contacteer mij/me/ons * niet/niets/geen * meer',
    'wil geen * berichten/sms/mails/reclame',
    'schrijf/meld mij/me * uit/af',
    'mij/me * uitschrijven/afmelden',
    'verwijder mij/me/mijn',
    'haal mij/me van',
  ],
  ['laat mij/me met rust', 'geen interesse', 'verkeerd nummer'],
  { negations: 'niet nooit', keeps: 'missen' },
);

const SLAVIC = language(
  [
    'nie wysylajcie/wysylaj/wysylac/piszcie/pisz mi/do/wiecej/juz/mnie/smsow/wiadomosci',
    'nie chce * wiadomosci/smsow/otrzymywac/dostawac',
    'prosze * przestac wysylac/pisac',
    'przestancie/przestan do/mi/wysylac/pisac',
    'wypisz/wypiszcie/usun/usuncie mnie/moj',
    'не пишите/пиши/присылайте/присылай/отправляйте/беспокойте * мне/меня/больше',
    'больше не пишите/пиши/присылайте/отправляйте/беспокойте',
    'отпишите/отписать/удалите/уберите меня/мой/мои',
    'хватит/перестаньте/прекратите * писать/слать/присылать/отправлять/спамить',
    'хочу отписаться',
    'не хочу * получать/сообщения/сообщений',
  ],
  ['оставьте меня * покое', 'не интересует/интересно', 'dajcie mi spokoj'],
  { negations: 'nie не' },
);

const HINDI_LATIN = language(
  [
    'message/messages/msg/sms mat bhejo/bhejna/karo/bhejiye',
    'mat bhejo/bhejiye',
    'message/messages/msg/sms * band karo/kijiye/kardo',
    'mujhe message/messages/msg mat',
  ],
  ['pareshan mat karo'],
  {},
);

export const OPT_OUT_PHRASES: readonly PhraseLanguage[] = [
  ENGLISH,
  SPANISH,
  FRENCH,
  GERMAN,
  PORTUGUESE,
  ITALIAN,
  DUTCH,
  SLAVIC,
  HINDI_LATIN,
];
