// Comfort only: every page works without this file.
"use strict";

// A filter that is chosen from a list is a wish to see it.
for (const select of document.querySelectorAll("form.filters select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// All times are in UTC; the reader's own is in the tooltip.
for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (!Number.isNaN(at.getTime())) {
    time.title = (time.title ? time.title + " – " : "") + at.toLocaleString() + " here";
  }
}
