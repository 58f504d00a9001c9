// words.js: what the page says, in three languages.

const words = {
  en: {
    title: 'Live football', matches: 'Matches', today: 'Today', live: 'Live', connecting: 'Connecting…',
      reconnecting: 'Reconnecting…', stale: 'Waiting for the source',
    closed: 'Closed', offline: 'Offline', latency: 'to your screen', events: 'events', noMatches: 'No matches today',
      noMatchesThen: 'No matches on this day', loading: 'Loading matches…',
      loadFailed: 'The matches cannot be loaded. Trying again…', nextDay: 'Next matches', lastDay: 'Last matches',
    noMatch: 'There is no such match, or not yet', matchFailed: 'The match cannot be loaded. Trying again…',
      clockStopped: 'No connection: the clock is stopped', earlier: 'Earlier results', latest: 'Just now',
      quiet: 'Nothing yet',
    half_time: 'HT', full_time: 'FT', full_time_90: '90′', extra_half_time: 'ET HT', extra_full_time: 'AET',
      shootout: 'PENS', postponed: 'Postp.', abandoned: 'Aband.',
    p_first_half: 'Kick-off', p_half_time: 'Half time', p_second_half: 'Second half',
      p_full_time_90: 'End of normal time', p_extra_first_half: 'Extra time',
    p_extra_half_time: 'Half time of extra time', p_extra_second_half: 'Second half of extra time',
      p_extra_full_time: 'End of extra time', p_shootout: 'Penalty shoot-out',
    p_full_time: 'Full time',
    goal: 'Goal', own: 'Own goal', penalty: 'Penalty', assist: 'Assist', noGoal: 'No goal', cancelled: 'Cancelled',
      var: 'VAR', review: 'VAR check', possible: 'Under review',
    yellow: 'Yellow card', second_yellow: 'Second yellow card', red: 'Red card', substitution: 'Substitution',
      missed: 'Penalty missed', added: 'min added', clip: 'Clip',
    kickIn: 'Scored', kickOut: 'Missed', corrected: 'corrected', timeline: 'Timeline', lineups: 'Line-ups',
      bench: 'Bench', noTimeline: 'Nothing has happened yet', noLineups: 'Line-ups are not in yet',
    choose: 'Choose a match', back: 'All matches', follow: 'Follow', unfollow: 'Following', phone: 'On the phone',
      following: 'Following', nothingFollowed: 'Tap a star to get its goals here',
    noPushes: 'Goals of what you follow arrive here', withdrawn: 'withdrawn', updated: 'updated', now: 'now',
      ago: (n) => `${n} min ago`, upheld: 'decision stands', under_review: 'under review', not_told: 'reviewed',
      awarded: 'awarded', not_awarded: 'not awarded', upgraded: 'upgraded',
    penaltyFor: 'Penalty', awardedResult: 'Awarded', awardedNote: 'Result decided off the pitch',
      now_late_start: 'Delayed', now_stopped: 'Stopped', now_suspended: 'Susp.',
    d_late_start: 'Kick-off delayed', d_stopped: 'Play stopped', d_suspended: 'Play suspended',
      d_resumed: 'Play resumes', d_early_end: 'Ended early', d_abandonment: 'Match abandoned',
    r_weather: 'weather', r_crowd: 'trouble in the crowd', r_fire: 'fire', r_object: 'object thrown',
      r_spectator: 'spectator on the pitch', r_referee: 'referee', r_injury: 'injury',
    s_goal: 'goal', s_penalty: 'penalty', s_red_card: 'red card', s_mistaken_identity: 'mistaken identity',
      s_other: 'incident', confirmed: 'confirmed', followFailed: 'Following did not work; try again',
    odds: 'Odds', o_open: 'Open', o_suspended: 'Suspended', o_closed: 'Closed', o_locked: 'locked', o_up: 'up',
      o_down: 'down', o_home: 'Home win', o_draw: 'Draw', o_away: 'Away win', o_over: 'Over 2.5 goals',
      o_under: 'Under 2.5 goals',
    g_start: 'no prices yet', g_silent: 'no word from the bookmaker', g_provider: 'the bookmaker has stopped',
      g_connection: 'no connection', g_bus: 'no connection', g_goal: 'goal', g_penalty: 'penalty',
      g_red_card: 'red card', g_review: 'VAR check', g_operator: 'stopped by hand', g_unmapped: 'being checked',
      g_finished: 'full time',
  },
  nl: {
    title: 'Live voetbal', matches: 'Wedstrijden', today: 'Vandaag', live: 'Live', connecting: 'Verbinden…',
      reconnecting: 'Opnieuw verbinden…', stale: 'Wachten op de bron',
    closed: 'Gesloten', offline: 'Offline', latency: 'tot op je scherm', events: 'gebeurtenissen',
      noMatches: 'Geen wedstrijden vandaag', noMatchesThen: 'Geen wedstrijden op deze dag',
      loading: 'Wedstrijden laden…', loadFailed: 'De wedstrijden kunnen niet geladen worden. Nieuwe poging…',
      nextDay: 'Volgende wedstrijden', lastDay: 'Laatste wedstrijden',
    noMatch: 'Deze wedstrijd bestaat niet, of nog niet',
      matchFailed: 'De wedstrijd kan niet geladen worden. Nieuwe poging…',
      clockStopped: 'Geen verbinding: de klok staat stil', earlier: 'Eerdere uitslagen', latest: 'Zonet',
      quiet: 'Nog niets',
    half_time: 'RUST', full_time: 'EINDE', postponed: 'Uitgest.', abandoned: 'Gestaakt',
    p_first_half: 'Aftrap', p_half_time: 'Rust', p_second_half: 'Tweede helft', p_extra_first_half: 'Verlengingen',
      p_shootout: 'Strafschoppen', p_full_time: 'Einde',
    goal: 'Doelpunt', own: 'Owngoal', penalty: 'Strafschop', assist: 'Assist', noGoal: 'Geen doelpunt',
      cancelled: 'Afgekeurd', review: 'VAR-check', possible: 'Wordt bekeken',
    yellow: 'Gele kaart', second_yellow: 'Tweede gele kaart', red: 'Rode kaart', substitution: 'Wissel',
      missed: 'Strafschop gemist', added: 'min extra', corrected: 'verbeterd',
    timeline: 'Verloop', lineups: 'Opstellingen', bench: 'Bank', noTimeline: 'Er is nog niets gebeurd',
      noLineups: 'De opstellingen zijn nog niet bekend', choose: 'Kies een wedstrijd', back: 'Alle wedstrijden',
    follow: 'Volgen', unfollow: 'Gevolgd', phone: 'Op de gsm', following: 'Je volgt',
      nothingFollowed: 'Tik op een ster en krijg hier de goals', noPushes: 'Goals van wie je volgt komen hier binnen',
    withdrawn: 'ingetrokken', updated: 'bijgewerkt', now: 'nu', ago: (n) => `${n} min geleden`,
      upheld: 'beslissing blijft', under_review: 'wordt bekeken', not_told: 'bekeken', awarded: 'toegekend',
      not_awarded: 'niet toegekend',
    penaltyFor: 'Strafschop', awardedResult: 'Toegekend', awardedNote: 'Uitslag buiten het veld beslist',
      now_late_start: 'Vertraagd', now_stopped: 'Gestopt', now_suspended: 'Onderbr.',
    d_late_start: 'Aftrap vertraagd', d_stopped: 'Spel ligt stil', d_suspended: 'Wedstrijd onderbroken',
      d_resumed: 'Het spel gaat verder', d_early_end: 'Vroeger beëindigd', d_abandonment: 'Wedstrijd gestaakt',
    r_weather: 'weer', r_crowd: 'onrust op de tribunes', r_fire: 'brand', r_object: 'voorwerp gegooid',
      r_spectator: 'toeschouwer op het veld', r_referee: 'scheidsrechter', r_injury: 'blessure',
    s_goal: 'doelpunt', s_penalty: 'strafschop', s_red_card: 'rode kaart', s_other: 'fase', confirmed: 'bevestigd',
      kickIn: 'Raak', kickOut: 'Gemist', followFailed: 'Volgen is niet gelukt; probeer opnieuw',
    odds: 'Quoteringen', o_open: 'Open', o_suspended: 'Opgeschort', o_closed: 'Gesloten', o_locked: 'vergrendeld',
      o_up: 'omhoog', o_down: 'omlaag', o_home: 'Winst thuisploeg', o_draw: 'Gelijkspel', o_away: 'Winst bezoekers',
      o_over: 'Meer dan 2,5 goals', o_under: 'Minder dan 2,5 goals',
    g_start: 'nog geen quoteringen', g_silent: 'geen nieuws van de bookmaker',
      g_provider: 'de bookmaker is gestopt', g_connection: 'geen verbinding', g_bus: 'geen verbinding',
      g_goal: 'doelpunt', g_penalty: 'strafschop', g_red_card: 'rode kaart', g_review: 'VAR-check',
      g_operator: 'met de hand stilgelegd', g_unmapped: 'wordt nagekeken', g_finished: 'einde',
  },
  fr: {
    title: 'Football en direct', matches: 'Matchs', today: 'Aujourd’hui', live: 'En direct', connecting: 'Connexion…',
      reconnecting: 'Reconnexion…', stale: 'En attente de la source',
    closed: 'Fermé', offline: 'Hors ligne', latency: 'jusqu’à l’écran', events: 'événements',
      noMatches: 'Pas de match aujourd’hui', noMatchesThen: 'Pas de match ce jour-là', loading: 'Chargement…',
      loadFailed: 'Les matchs ne peuvent pas être chargés. Nouvel essai…', nextDay: 'Prochains matchs',
      lastDay: 'Derniers matchs',
    noMatch: 'Ce match n’existe pas, ou pas encore', matchFailed: 'Le match ne peut pas être chargé. Nouvel essai…',
      clockStopped: 'Pas de connexion : l’horloge est arrêtée', earlier: 'Résultats précédents', latest: 'À l’instant',
      quiet: 'Rien encore',
    half_time: 'MT', full_time: 'FIN', postponed: 'Reporté', abandoned: 'Arrêté',
    p_first_half: 'Coup d’envoi', p_half_time: 'Mi-temps', p_second_half: 'Deuxième mi-temps',
      p_extra_first_half: 'Prolongations', p_shootout: 'Tirs au but', p_full_time: 'Fin du match',
    goal: 'But', own: 'But contre son camp', penalty: 'Penalty', assist: 'Passe', noGoal: 'But annulé',
      cancelled: 'Annulé', review: 'Vérification VAR', possible: 'En révision',
    yellow: 'Carton jaune', second_yellow: 'Deuxième carton jaune', red: 'Carton rouge', substitution: 'Remplacement',
      missed: 'Penalty manqué', added: 'min ajoutées', corrected: 'corrigé',
    timeline: 'Fil du match', lineups: 'Compositions', bench: 'Banc', noTimeline: 'Rien à signaler pour l’instant',
      noLineups: 'Compositions pas encore connues', choose: 'Choisissez un match', back: 'Tous les matchs',
    follow: 'Suivre', unfollow: 'Suivi', phone: 'Sur le téléphone', following: 'Suivis',
      nothingFollowed: 'Touchez une étoile pour recevoir les buts ici',
      noPushes: 'Les buts de vos équipes arrivent ici',
    withdrawn: 'retiré', updated: 'mis à jour', now: 'maintenant', ago: (n) => `il y a ${n} min`,
      upheld: 'décision maintenue', under_review: 'en révision', not_told: 'vérifié', awarded: 'accordé',
      not_awarded: 'non accordé',
    penaltyFor: 'Penalty', awardedResult: 'Tapis vert', awardedNote: 'Résultat décidé sur tapis vert',
      now_late_start: 'Retardé', now_stopped: 'Arrêt', now_suspended: 'Interr.',
    d_late_start: 'Coup d’envoi retardé', d_stopped: 'Jeu arrêté', d_suspended: 'Match interrompu',
      d_resumed: 'Le match reprend', d_early_end: 'Terminé avant l’heure', d_abandonment: 'Match arrêté',
    r_weather: 'météo', r_crowd: 'incidents en tribune', r_fire: 'incendie', r_object: 'jet d’objet',
      r_spectator: 'spectateur sur le terrain', r_referee: 'arbitre', r_injury: 'blessure',
    s_goal: 'but', s_red_card: 'carton rouge', s_other: 'action', confirmed: 'confirmé', kickIn: 'Marqué',
      kickOut: 'Manqué', followFailed: 'Échec du suivi ; réessayez',
    odds: 'Cotes', o_open: 'Ouvert', o_suspended: 'Suspendu', o_closed: 'Fermé', o_locked: 'bloqué',
      o_up: 'en hausse', o_down: 'en baisse', o_home: 'Victoire à domicile', o_draw: 'Match nul',
      o_away: 'Victoire à l’extérieur', o_over: 'Plus de 2,5 buts', o_under: 'Moins de 2,5 buts',
    g_start: 'pas encore de cotes', g_silent: 'pas de nouvelles du bookmaker',
      g_provider: 'le bookmaker s’est arrêté', g_connection: 'pas de connexion', g_bus: 'pas de connexion',
      g_goal: 'but', g_penalty: 'penalty', g_red_card: 'carton rouge', g_review: 'vérification VAR',
      g_operator: 'arrêté à la main', g_unmapped: 'en vérification', g_finished: 'fin du match',
  },
};

export const languages = Object.keys(words);

let language = 'en';

export function setLanguage(code) {
  language = languages.includes(code) ? code : 'en';
  document.documentElement.lang = language;
}

export function currentLanguage() { return language; }

/** The words of a key, in the language of now. */
export function t(key) { return words[language][key] ?? words.en[key] ?? key; }

export function timeOfDay(text) {
  const at = new Date(text ?? NaN);
  return Number.isNaN(at.getTime()) ? '–'
    : new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', hour12: false }).format(at);
}

/** A day like "2026-05-17" in words; its year where that is not this one. */
export function dayText(date) {
  const at = new Date(`${date}T12:00:00`);
  const year = at.getFullYear() === new Date().getFullYear() ? undefined : 'numeric';
  return new Intl.DateTimeFormat(language, { weekday: 'long', day: 'numeric', month: 'long', year }).format(at);
}
