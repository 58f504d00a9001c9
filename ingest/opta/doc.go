// Package opta reads the XML documents that Opta (Stats Perform) pushes: F1 (fixtures and results
// of a season), F3 (tables), F7 (a match), F9 (F7 with statistics), F13 and F13m (commentary), F24
// (every event of a match), F26 (a ticker) and F40 (squads). It turns each into a merge.Reading:
// what the document says, in our words, compared with nothing.
//
// ingest calls it through ingest.Provider; nobody else does. There is no I/O and no state: the same
// document always gives the same reading.
//
// F7, F9 and F24 of one match tell of the same goals, cards and substitutions, and name them by the
// same number (Goal@EventID in one is Event@id in the other), so their facts carry the same
// Event.ID: "opta:<that number>". What has no number of its own is named after what it is:
// "match:<id>:period:half_time", "match:<id>:lineup:<team>".
//
// Subpackage optatest cuts real documents back to what they were at a moment of the match, for
// tests that play a match live.
package opta
