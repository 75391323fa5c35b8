"""The named sets of features, each for one kind of model. The order is the order of the model's columns."""

from typing import Final

SETS: Final[dict[str, tuple[str, ...]]] = {
    # Hourly bitcoin: return, volume and volatility.
    "btc_3": ("log_return_1", "relative_volume_24", "realised_volatility_24"),
    # Hourly bitcoin with indicators, volume profile, momentum of one to three hours, and the time of day.
    "btc_rich": (
        *("log_return_1", "log_return_2", "log_return_3", "log_return_24", "realised_volatility_24", "ewma_volatility"),
        *("atr_14", "relative_volume_24", "vwap_gap_24", "volume_above_48", "control_gap_48"),
        *("rsi_14", "macd", "macd_signal", "macd_histogram", "bbw_20", "percent_b_20", "ema_gap_20"),
        *("hour_sine", "hour_cosine", "weekday_sine", "weekday_cosine"),
        *("session_asia", "session_europe", "session_us"),
        *("new_york_open", "hours_to_new_york_open", "hours_to_new_york_close"),
    ),
    # Daily stocks, winner or not: volume strength first, then price, then their interactions.
    "winner_20": (
        *("vol_strength_5d", "accum_score_5d", "vol_ratio_5d", "consec_vol_up", "obv_trend", "bbw_20"),
        *("log_return_1", "log_return_5", "log_return_20", "close_location", "streak_10", "realised_volatility_20"),
        *("atr_14_in_60", "rsi_14_in_60", "percent_b_20", "range_position_20", "sma_gap_20", "trend_slope_20"),
        *("volume_surge_x_narrow_band", "return_x_volume_20"),
    ),
    # Weekly stocks: nothing looks back further than a year.
    "weekly_62": (
        *("log_return_1", "log_return_2", "log_return_4", "log_return_8", "log_return_13", "log_return_26"),
        *("log_return_52", "momentum_52_4", "opening_gap", "bar_return", "close_location", "upper_shadow"),
        *("lower_shadow", "up_share_12", "up_share_26", "streak_10", "largest_return_12", "return_over_risk_12"),
        *("return_over_risk_26", "skewness_26", "kurtosis_26", "autocorrelation_26"),
        *("realised_volatility_4", "realised_volatility_12", "realised_volatility_26", "realised_volatility_52"),
        *("volatility_ratio_4_26", "downside_volatility_26", "bar_range", "parkinson_12", "garman_klass_12"),
        *("yang_zhang_12", "atr_14_in_52", "bbw_20", "percent_b_20"),
        *("relative_volume_12", "relative_volume_52", "volume_strength_4_26", "volume_score_26", "volume_slope_12"),
        *("obv_trend_12", "cmf_12", "mfi_14", "illiquidity_12", "price_volume_correlation_26", "up_volume_share_12"),
        *("vwap_gap_26", "rsi_14_in_52", "stochastic_14", "cci_20", "macd_in_52", "macd_histogram_in_52"),
        *("range_position_52", "gap_to_high_52", "gap_to_low_52", "sma_gap_10", "sma_gap_40", "sma_cross_10_40"),
        *("trend_slope_26", "trend_fit_26", "efficiency_26", "adx_14_in_52"),
    ),
    # Daily stocks beside a market.
    "stock_41": (
        *("log_return_1", "log_return_2", "log_return_3", "log_return_5", "log_return_10", "log_return_20"),
        *("log_return_60", "acceleration_5", "opening_gap", "bar_return", "close_location", "up_share_10"),
        *("largest_return_20", "skewness_20", "realised_volatility_5", "realised_volatility_20"),
        *("realised_volatility_60", "volatility_ratio_5_20", "downside_volatility_20", "parkinson_20", "atr_14"),
        *("bbw_20", "percent_b_20", "relative_volume_20", "volume_strength_5_60", "volume_score_20"),
        *("obv_trend_20", "cmf_20", "mfi_14", "illiquidity_20", "price_volume_correlation_20"),
        *("rsi_14", "macd", "macd_histogram", "stochastic_14_3", "sma_gap_20", "sma_gap_50", "sma_cross_20_50"),
        *("trend_slope_20", "adx_14", "gap_to_high_252"),
    ),
    # The market beside the stocks: an index, VIX or BTC.
    "market_11": (
        *("log_return_1", "log_return_5", "log_return_20", "realised_volatility_20", "volatility_ratio_5_20"),
        *("shock_rank_60", "shock_share_60", "drawdown_60", "share_above_average_60", "sma_gap_50", "rsi_14"),
    ),
    # Young tokens, minute by minute: at most an hour of history.
    "token_ms": (
        *("log_return_1", "log_return_3", "log_return_5", "log_return_15", "log_return_30", "bar_return"),
        *("close_location", "upper_shadow", "lower_shadow", "realised_volatility_15", "realised_volatility_30"),
        *("bar_range", "parkinson_15", "atr_14_in_60", "bbw_20", "percent_b_20", "relative_volume_15"),
        *("relative_volume_60", "volume_score_30", "idle_share_30", "cmf_20", "obv_trend_20", "vwap_gap_30"),
        *("illiquidity_30", "price_volume_correlation_30", "rsi_14_in_60", "macd_in_60", "macd_histogram_in_60"),
        *("range_position_60", "ema_gap_9_in_60", "trend_slope_15", "efficiency_30", "aroon_25"),
    ),
}
